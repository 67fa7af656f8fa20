"""How many threads the libraries of this process split their work among."""

from __future__ import annotations

from collections.abc import Mapping

import threadpoolctl  # type: ignore[import-untyped]

from precision.measure.machine.processor import cores


def limit_blas(threads: int) -> None:
    """Let the matrix products of NumPy and SciPy have so many threads, as far as there are cores."""
    import scipy.linalg  # noqa: F401  # with a BLAS of its own, which can be told once it is loaded

    threadpoolctl.threadpool_limits(threads, user_api="blas")


def pools(started: Mapping[str, str], compiled: int) -> str:
    """Return the threads of each library in words: ``tensorflow 2, its operations 2, openblas 2, loops 2``.

    TensorFlow and JAX tell what they were given before they computed anything, BLAS what it has.

    Args:
        started: the backend, see ``startup.started``.
        compiled: of the compiled loops, see ``arithmetic.threads``.
    """
    backend, usual = next(iter(started)), str(len(cores()))
    found = {backend: started["threads"] or usual}
    if backend == "tensorflow":
        import tensorflow as tf

        found["its operations"] = str(tf.config.threading.get_inter_op_parallelism_threads() or usual)
    libraries = [each for each in threadpoolctl.threadpool_info() if each["user_api"] == "blas"]
    for name in sorted({each["internal_api"] for each in libraries}):  # NumPy and SciPy bring one each
        numbers = {each["num_threads"] for each in libraries if each["internal_api"] == name}
        found[name] = " and ".join(map(str, sorted(numbers)))
    found["loops"] = str(compiled)
    return ", ".join(f"{name} {number}" for name, number in found.items())
