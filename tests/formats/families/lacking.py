"""What the qtorch formats say on a machine that lacks something; run in a process of its own.

Prints, as JSON, what is imported before a number is rounded, and what each lack is told as. All share the
process, as importing torch takes seconds; torch forgets after each that it has tried to compile.
"""

import contextlib
import io
import json
import os
import sys

import numpy as np

from precision.errors import PrecisionError
from precision.formats import parse, usage


def told(**lack):
    """Return what is said when a number is rounded.

    Args:
        lack: ``without``, a package that cannot be imported; ``python``, the path of the interpreter; others
            are variables of the environment.
    """
    with on_a_machine(**lack):
        try:
            parse("qtorch_fixed(8,4)").quantize(np.zeros(2))
        except PrecisionError as error:
            return str(error)
    return "nothing is lacking"


def run(grid, **lack):
    """Return the exit code of ``precision run``, and what it prints to standard error."""
    from precision.cli import main

    sys.argv = ["precision", "run", grid]
    with on_a_machine(**lack), contextlib.redirect_stderr(io.StringIO()) as printed:
        try:
            main()
        except SystemExit as end:
            return end.code, printed.getvalue()
    return 0, printed.getvalue()


@contextlib.contextmanager
def on_a_machine(without="", python=sys.executable, **environment):
    former, sys.executable = (dict(os.environ), sys.executable), python
    os.environ.update(environment)
    if without:
        kept = sys.modules.pop(without, None)
        sys.modules[without] = None
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(former[0])
        sys.executable = former[1]
        if without:
            del sys.modules[without]
            sys.modules.update({without: kept} if kept else {})
        if "torch.utils.cpp_extension" in sys.modules:
            sys.modules["torch.utils.cpp_extension"].JIT_EXTENSION_VERSIONER.entries.clear()


def main(folder):
    parse("qtorch_fixed(8,4)"), usage("qtorch_block"), parse("qtorch_float(4,3)").values()
    imported = [name for name in ("torch", "qtorch", "keras") if name in sys.modules]
    new = {"TORCH_EXTENSIONS_DIR": folder}  # where nothing is compiled yet
    found = {
        "imported": imported,
        "torch": told(without="torch"),
        "qtorch": told(without="qtorch"),
        "compiler": told(CXX="no-such-compiler", **new),
        "ninja": told(python="/nowhere/python", PATH=folder, **new),
        "success": told(CXX="false", **new),
        "run": run("grid.yaml", CXX="no-such-compiler", **new),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
