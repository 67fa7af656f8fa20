"""Which environment variables a record tells of: those that decide bits, and no other."""

import pytest

from precision.measure.machine import settings as module
from precision.measure.machine.environment import environment, together
from precision.measure.machine.settings import settings

DECIDING = [
    *("TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE"),
    *("XLA_FLAGS", "TF_XLA_FLAGS", "OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES", "GLIBC_TUNABLES"),
    *("NVIDIA_TF32_OVERRIDE", "JAX_DEFAULT_MATMUL_PRECISION", "JAX_THREEFRY_PARTITIONABLE"),
    *("TF_CUDNN_USE_AUTOTUNE", "TF_DETERMINISTIC_OPS", "TF_SET_ONEDNN_FPMATH_MODE"),
]
SILENT = [
    *("ONEDNN_VERBOSE", "DNNL_JIT_PROFILE", "TF_CPP_MIN_LOG_LEVEL", "TF_FORCE_GPU_ALLOW_GROWTH"),
    *("KERAS_BACKEND", "CUDA_VISIBLE_DEVICES", "JAX_PLATFORMS", "JAX_COMPILATION_CACHE_DIR", "NPROC"),
    *("PATH", "HOME", "TF_CONFIG", "JAX_LOG_COMPILES"),
]


@pytest.mark.parametrize("name", DECIDING)
def test_what_decides_bits_is_told(name):
    assert settings({name: "x", "PATH": "/bin"}) == f"{name}=x"


def test_what_decides_none_is_not():
    assert settings(dict.fromkeys(SILENT, "x")) == settings({}) == "none"


def test_as_many_threads_as_processors_are_what_there_is_anyway(monkeypatch):
    monkeypatch.setattr(module, "cores", lambda: (0, 3, 5))
    assert settings({"OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "2"}) == "OPENBLAS_NUM_THREADS=2"


def test_a_record_and_a_report_have_it(monkeypatch):
    for name in DECIDING:
        monkeypatch.delenv(name, raising=False)
    bare = environment()
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    changed = environment()
    assert changed["settings"] == "TF_ENABLE_ONEDNN_OPTS=0"
    assert together([bare, changed])["settings"] == "TF_ENABLE_ONEDNN_OPTS=0, none"
    assert "settings" not in together([bare, bare])
