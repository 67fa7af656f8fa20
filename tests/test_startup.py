"""A lean start of the backend leaves packages out, and takes nothing away."""

import subprocess
import sys

CODE = """
import sys
from precision.startup import start_backend
start_backend(1, lean=True)
assert not {"sklearn", "matplotlib"} & set(sys.modules)
import tensorflow as tf
assert tf.config.threading.get_intra_op_parallelism_threads() == 1
import sklearn.datasets, matplotlib
print("ok")
"""


def test_a_lean_start_spares_what_can_still_be_imported():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("ok\n", "")
