"""Where and with what a result was made."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from precision import plugins
from precision.grid.execution.options import cores
from precision.measure.machine.processor import processor
from precision.trial import Trial

PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "precision")


def provenance(trial: Trial, threads: int | None = None) -> dict[str, str]:
    """Return where a trial ran, its plugins, the command that repeats it, and the time (UTC) at its end.

    Args:
        threads: of one operation; None for those of this process.
    """
    return {
        **environment(threads),
        "rerun": f"precision rerun {trial.id}",
        **({"plugins": plugins.sources(trial.plugins)} if trial.plugins else {}),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def environment(threads: int | None = None) -> dict[str, str]:
    """Return versions, machine, threads and commit of this process as texts."""
    return {
        "python": platform.python_version(),
        **{package: _version(package) for package in PACKAGES},
        "machine": machine(),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": platform.platform(),
        "threads": str(threads or len(cores())),
        "cores": str(len(cores())),
        "commit": commit(),
    }


@functools.cache
def machine() -> str:
    """Return the processor and its number of cores, for example ``AMD EPYC, 2 cores``."""
    return f"{processor()}, {os.cpu_count()} cores"


@functools.cache
def commit() -> str:
    """Return the commit of the project's source, with ``+`` when files differ from it; empty outside git."""

    def git(*words: str) -> str:
        folder = Path(__file__).resolve().parent
        return subprocess.run(
            ["git", *words], cwd=folder, capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ":/precision", ":/architectures")
        return git("rev-parse", "--short=10", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return ""


@functools.cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
