"""Start TensorFlow without its messages on standard error, which no setting switches off."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

# What Keras imports at its start if it is there, for plots and for classes that sklearn knows.
_SPARED = ("matplotlib", "sklearn")


def import_backend(lean: bool = False) -> None:
    """Import Keras with its backend, which touches no device and computes nothing; a failure raises.

    Args:
        lean: for a process that is to start soon: what Keras has for plots and for sklearn is left out, which
            takes a third of the time. Both packages can still be imported afterwards.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _silence(), _missing(_SPARED if lean else ()):
        import keras

        if keras.backend.backend() == "tensorflow":
            import tensorflow  # noqa: F401


def start_backend(threads: int | None = None, lean: bool = False) -> None:
    """Import Keras with its backend, and have TensorFlow look for devices; a failure to import raises.

    Args:
        threads: of one operation of TensorFlow, to be given before anything ran; None for one per core.
        lean: see :func:`import_backend`.
    """
    import_backend(lean)
    import keras

    with _silence():
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            if threads is not None:
                tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.list_physical_devices()
            tf.function(lambda x: x + 1, jit_compile=True)(tf.constant(0.0))


@contextlib.contextmanager
def _missing(packages: tuple[str, ...]) -> Iterator[None]:
    """Let these packages, as far as they are not imported yet, look as if they were not installed."""
    hidden = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


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
