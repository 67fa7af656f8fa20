"""Keep TensorFlow quiet in the tests and in the processes that they start."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
