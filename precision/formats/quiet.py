"""Start TensorFlow without its remarks on standard error, which heed no setting."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator


def start_backend(threads: int | None = None) -> None:
    """Import Keras with its backend, and have TensorFlow look for devices; a failure to import raises.

    Args:
        threads: of one operation of TensorFlow, to be given before anything ran; None for one per core.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _silence():
        import keras

        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            if threads is not None:
                tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.list_physical_devices()
            tf.function(lambda x: x + 1, jit_compile=True)(tf.constant(0.0))


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Drop what C++ code writes to standard error."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
