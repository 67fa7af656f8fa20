"""Commands as a reader of the documentation starts them: in a folder, each in a process of its own."""

import os
import subprocess
import sys


def python(folder, *words, **environment):
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, **environment},
    )


def precision(folder, *words, **environment):
    return python(folder, "-c", "from precision.cli import main; main()", *words, **environment)
