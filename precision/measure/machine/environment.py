"""Where and with what a number was computed: machine, threads, versions, commit."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from precision.measure.machine.processor import cores, processor
from precision.measure.machine.settings import NONE, settings

PACKAGES = ("keras", "numpy", "scipy", "precision")
# What a report tells of the environment of its numbers, in this order.
SHOWN = (
    *(
        "machine",
        "gpus",
        "memory",
        "threads",
        "system",
        "python",
        "tensorflow",
        "jax",
        "keras",
        "numpy",
        "commit",
    ),
    *("settings", "plugins"),
)


def environment(threads: int | None = None, backend: str | None = None) -> dict[str, str]:
    """Return versions, machine, threads, commit and settings of this process as texts.

    ``cores`` are the processors that it may use, ``settings`` the environment variables that decide bits.

    Args:
        threads: of one operation; None for one per core.
        backend: of Keras; None for TensorFlow.
    """
    return {
        "python": platform.python_version(),
        **{package: _version(package) for package in (backend or "tensorflow", *PACKAGES)},
        "machine": machine(),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": platform.platform(),
        "threads": str(threads or len(cores())),
        "cores": str(len(cores())),
        "settings": settings(),
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


def together(found: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return what a report tells of several environments, as one; where they differ, every value."""
    every = list(found)
    values = {key: sorted({one.get(key, "") for one in every} - {""}) for key in SHOWN}
    if values["settings"] == [NONE]:  # which is nothing to tell
        values["settings"] = []
    plugins = {one for text in values["plugins"] for one in text.split("; ")}  # of several trials, each once
    shown = {**values, "plugins": ["; ".join(sorted(plugins))] if plugins else []}
    return {key: ", ".join(texts) for key, texts in shown.items() if texts}
