"""Commands as a reader of the documentation starts them, in a folder: in a process of its own, or here."""

import contextlib
import io
import logging
import os
import subprocess
import sys
import traceback
import warnings
from unittest import mock

QUIET = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)


def python(folder, *words, **environment):
    return subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, **environment},
    )


def precision(folder, *words, **environment):
    """Run a command in a new process, which imports all that it needs again."""
    return python(folder, "-c", "from precision.cli import main; main()", *words, **environment)


def here(folder, *words, **environment):
    """Run a command in this process, where no test asks what a new one imports, inherits or prints.

    It has the plugins, the filters of warnings and the arguments of a new process. What C++ code writes to
    the standard streams is not seen.
    """
    from precision import plugins
    from precision.cli import main

    words, out, err, former = [str(word) for word in words], io.StringIO(), io.StringIO(), plugins.loaded()
    logger = logging.getLogger("tensorflow")
    level, code = logger.level, 0
    with (
        contextlib.chdir(folder),
        mock.patch.dict(os.environ, environment),
        mock.patch.object(sys, "argv", ["precision", *words]),
        warnings.catch_warnings(),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        warnings.resetwarnings()
        for category in QUIET:
            warnings.simplefilter("ignore", category)
        plugins.load([])
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        except Exception:
            traceback.print_exc()
            code = 1
        finally:
            plugins.load(former)
            logger.setLevel(level)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())
