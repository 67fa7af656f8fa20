"""Importing qtorch, which compiles itself, and saying in one sentence what it lacks."""

from __future__ import annotations

import functools
import importlib
import logging
import os
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

from precision.errors import PrecisionError


@functools.cache
def quant() -> Any:
    """Return the module ``qtorch.quant``, compiled on the first use on a machine.

    Raises:
        PrecisionError: when torch, qtorch, ninja or a C++ compiler is missing, or the compilation fails.
    """
    for package in ("torch", "qtorch"):
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise PrecisionError(
                f"the qtorch formats need the package {package}, which cannot be imported ({error}); "
                "install it with: pip install 'precision[qtorch]'"
            ) from None
    log = logging.getLogger("torch.utils.cpp_extension")  # it prints a page where a sentence follows
    path, level = os.environ.get("PATH", ""), log.level
    log.setLevel(logging.CRITICAL)
    # pip puts ninja beside the interpreter, which is not on the path of a process started without it.
    os.environ["PATH"] = os.pathsep.join([path, str(Path(sys.executable).parent)])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, about compilers that it has not been tried with
            return importlib.import_module("qtorch.quant")
    except Exception as error:  # a compilation can raise anything
        raise PrecisionError(_lacking(error)) from None
    finally:
        os.environ["PATH"] = path
        log.setLevel(level)


def _lacking(error: Exception) -> str:
    from torch.utils.cpp_extension import get_cxx_compiler, is_ninja_available

    compiled = "the qtorch formats compile a part of qtorch in C++ on their first use"
    if not is_ninja_available():
        return f"{compiled}, for which ninja is missing; install it with: pip install ninja"
    if shutil.which(get_cxx_compiler()) is None:
        return (
            f"{compiled}, for which there is no compiler {get_cxx_compiler()!r}; install one, for example "
            "the package g++, or name one in the environment variable CXX"
        )
    lines = [f"{type(error).__name__}: {line.strip()}" for line in str(error).splitlines()] or [repr(error)]
    reason = next((line for line in lines if "error: " in line), lines[0])[:200]
    return f"{compiled}, and that failed ({reason}); compare the versions of torch and qtorch"
