"""Environment variables that decide the last bits of a number: of the libraries that compute here.

They are those that TensorFlow 2.21, JAX 0.10, NumPy 2.4, numba, oneDNN, OpenBLAS, glibc and the libraries of
NVIDIA read, and that choose an algorithm, a type, an instruction set or the order of a sum. What only says
how much is logged, kept or waited for is none of them, and what :mod:`precision.startup` sets is none.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from precision.measure.machine.processor import cores

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "MKL_NUM_THREADS")
_NAMES = {
    *_THREADS,
    # The instructions that may be used.
    *("GLIBC_TUNABLES", "NPY_DISABLE_CPU_FEATURES", "NPY_ENABLE_CPU_FEATURES", "OPENBLAS_CORETYPE"),
    *("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_DISABLE_JIT", "NUMBA_ENABLE_AVX", "MKL_CBWR"),
    # GPUs.
    *("NVIDIA_TF32_OVERRIDE", "CUBLAS_WORKSPACE_CONFIG"),
    # XLA, in TensorFlow and in JAX.
    *("XLA_FLAGS", "LIBTPU_INIT_ARGS", "TF_XLA_FLAGS"),
    # TensorFlow.
    *("TF_CONV2D_USE_FP16_ACCUMULATE", "TF_DISABLE_JIT_KERNELS", "TF_DISABLE_RZ_CHECK"),
    *("TF_ENABLE_FFT_TILING_FORWARD", "TF_ENABLE_MAXPOOL_NANPROP", "TF_ENABLE_WINOGRAD_NONFUSED"),
    *("TF_OVERRIDE_GLOBAL_THREADPOOL", "TF_SET_ONEDNN_FPMATH_MODE", "TF_USE_CUBLASLT"),
    *("TF_USE_DEEP_CONV2D", "TF_USE_DEFAULT_CONV_ALGO"),
    # JAX, which reads each of its settings from a variable.
    *("JAX_ALLOW_F16_REDUCTIONS", "JAX_COMPILER_ENABLE_REMAT_PASS", "JAX_DEFAULT_MATMUL_PRECISION"),
    *("JAX_DEFAULT_PRNG_IMPL", "JAX_DISABLE_JIT", "JAX_ENABLE_CUSTOM_PRNG"),
    *(
        "JAX_EXEC_TIME_OPTIMIZATION_EFFORT",
        "JAX_EXPLICIT_X64_DTYPES",
        "JAX_HIGH_DYNAMIC_RANGE_GUMBEL",
        "JAX_NUMPY_DTYPE_PROMOTION",
    ),
    *("JAX_OPTIMIZATION_LEVEL", "JAX_RANDOM_SEED_OFFSET", "JAX_SOFTMAX_CUSTOM_JVP"),
    *("JAX_THREEFRY_GPU_KERNEL_LOWERING", "JAX_THREEFRY_PARTITIONABLE", "JAX_USE_DIRECT_LINEARIZE"),
}
_PREFIXES = (
    *("TF_ENABLE_ONEDNN", "TF_ONEDNN_", "TF_MKL_", "TF_ENABLE_ZENDNN"),
    *(
        "TF_USE_CUDNN_",
        "TF_CUDNN_",
        "TF_CUBLAS_",
        "TF_MATMUL_",
        "TF_FP16_",
        "TF_DETERMINISTIC_",
        "TF_AUTO_MIXED_PRECISION_",
    ),
)
# What oneDNN prints and keeps; all else of its own decides.
_SILENT = ("VERBOSE", "JIT_", "PRIMITIVE_CACHE", "GRAPH_")


def settings(environment: Mapping[str, str] | None = None) -> str:
    """Return the variables that are set, as ``NAME=value`` with spaces between; ``none`` without any.

    As many threads as there are processors is what a library takes without being told.

    Args:
        environment: None for that of this process.
    """
    given = os.environ if environment is None else environment
    usual = str(len(cores()))
    found = [
        f"{name}={value}"
        for name, value in sorted(given.items())
        if _decides(name) and not (name in _THREADS and value == usual)
    ]
    return " ".join(found) or NONE


NONE = "none"


def _decides(name: str) -> bool:
    if name.startswith(("ONEDNN_", "DNNL_")):
        return not name.partition("_")[2].startswith(_SILENT)
    return name in _NAMES or name.startswith(_PREFIXES)
