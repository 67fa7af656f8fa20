"""Start TensorFlow without its messages on standard error, which no setting switches off."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from importlib.metadata import version
from typing import Literal, get_args

from precision.errors import PrecisionError

# What Keras imports at its start if it is there, for plots and for classes that sklearn knows.
_SPARED = ("matplotlib", "sklearn")

# Variables with which Keras trains less than it was asked to, or has variables of another kind.
_SHORTENING = ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH", "KERAS_NNX_ENABLED")

Backend = Literal["tensorflow", "jax"]
BACKENDS = get_args(Backend)


def backend_of(name: str | None) -> str | None:
    """Return the backend of Keras that a name stands for, None for TensorFlow.

    Args:
        name: None for that of the environment variable KERAS_BACKEND, and without it TensorFlow.

    Raises:
        PrecisionError: when trials do not run on it.
    """
    given = name or os.environ.get("KERAS_BACKEND") or "tensorflow"
    if given not in BACKENDS:
        raise PrecisionError(
            f"networks run on the backends {' and '.join(BACKENDS)} of Keras, but KERAS_BACKEND is "
            f"{given!r}; unset it, or give runtime.backend in the grid"
        )
    return None if given == "tensorflow" else given


def import_backend(lean: bool = False) -> None:
    """Import Keras with its backend, which touches no device and computes nothing; a failure raises.

    The backend is that of the environment variable KERAS_BACKEND, or else TensorFlow. What the user's own
    configuration of Keras says counts neither for it nor for types and layouts, and variables that shorten a
    training or widen types do not either: every number depends on them.

    Args:
        lean: for a process that is to start soon: what Keras has for plots and for sklearn is left out, which
            takes a third of the time. Both packages can still be imported afterwards.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    for name in _SHORTENING:
        os.environ.pop(name, None)
    with silence(), _missing(_SPARED if lean else ()):
        import keras

        if keras.backend.backend() == "tensorflow":
            import tensorflow  # noqa: F401
        elif keras.backend.backend() == "jax":
            import jax

            jax.config.update("jax_enable_x64", False)
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")


def start_backend(threads: int | None = None, lean: bool = False) -> None:
    """Import Keras with its backend, and have TensorFlow look for devices; a failure to import raises.

    Args:
        threads: of one operation, and operations beside each other, to be given before anything ran; None for
            one per core.
        lean: see :func:`import_backend`.
    """
    import_backend(lean)
    import keras

    with silence():
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            if threads is not None:
                tf.config.threading.set_intra_op_parallelism_threads(threads)
                tf.config.threading.set_inter_op_parallelism_threads(threads)
            tf.config.list_physical_devices()
            tf.function(lambda x: x + 1, jit_compile=True)(tf.constant(0.0))
        elif threads is not None:
            os.environ["NPROC"] = str(threads)  # XLA's name for the threads of its client


def started() -> dict[str, str]:
    """Return the backend with its version, the GPUs that it sees, and the threads of an operation if told."""
    import keras

    name, threads = keras.backend.backend(), os.environ.get("NPROC", "")
    if name == "tensorflow":
        import tensorflow as tf

        threads = str(tf.config.threading.get_intra_op_parallelism_threads() or "")
        details = map(tf.config.experimental.get_device_details, tf.config.get_visible_devices("GPU"))
        gpus = [str(gpu.get("device_name", "unknown")) for gpu in details]
    else:
        import jax

        gpus = [device.device_kind for device in jax.devices() if device.platform != "cpu"]
    return {name: version(name), "GPUs": ", ".join(gpus), "threads": threads}


@contextlib.contextmanager
def only_the_backend() -> Iterator[None]:
    """Keep Keras from importing TensorFlow, which takes seconds, where that is not its backend."""
    import keras

    with _missing(() if keras.backend.backend() == "tensorflow" else ("tensorflow",)):
        yield


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
def silence() -> Iterator[None]:
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
