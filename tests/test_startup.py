"""A lean start of the backend leaves packages out, and takes nothing away."""

import os
import subprocess
import sys

from precision.startup import import_backend

CODE = """
import sys
from precision.startup import start_backend
start_backend(1, lean=True)
assert not {"sklearn", "matplotlib"} & set(sys.modules)
import tensorflow as tf
assert tf.config.threading.get_intra_op_parallelism_threads() == 1
import keras
assert keras.config.max_epochs() is keras.config.max_steps_per_epoch() is None
assert (keras.config.floatx(), keras.config.epsilon()) == ("float32", 1e-7)
assert keras.config.image_data_format() == "channels_last" and keras.config.backend() == "tensorflow"
import sklearn.datasets, matplotlib
print("ok")
"""


def test_a_lean_start_spares_what_can_still_be_imported(tmp_path):
    """And what the user has told Keras changes no number."""
    (tmp_path / "keras.json").write_text(
        '{"floatx": "float16", "epsilon": 0.1, "image_data_format": "channels_first", "backend": "jax"}'
    )
    own = {"KERAS_HOME": str(tmp_path), "KERAS_MAX_EPOCHS": "1", "KERAS_MAX_STEPS_PER_EPOCH": "1"}
    environment = {key: value for key, value in os.environ.items() if key != "KERAS_BACKEND"}
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=False, env={**environment, **own}
    )
    assert (done.stdout, done.stderr) == ("ok\n", "")


def test_jax_computes_with_32_bits(monkeypatch):
    import jax
    import keras

    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    jax.config.update("jax_enable_x64", True)  # as JAX_ENABLE_X64 does
    import_backend()
    assert jax.config.jax_enable_x64 is False
