"""Formats of installed packages: the entry points of group ``precision.formats``.

The name of an entry point is the name of the format; its value is the factory, or a module that registers the
format when it is imported. A package is only imported when the name of one of its formats is asked for, or
when all formats are listed.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

from precision.errors import PrecisionError
from precision.formats.engine.foreign import trouble
from precision.registry import FORMATS, Owner

GROUP = "precision.formats"
_loaded: dict[str, Owner] = {}  # by the name of the format


@dataclass(frozen=True)
class Package:
    """An installed package."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def offers(name: str | None = None) -> dict[str, list[Package]]:
    """Return the packages that offer each format, or the one called ``name``; nothing is imported."""
    offered: dict[str, list[Package]] = {}
    for point in _points(name):
        offered.setdefault(point.name, []).append(_package(point))
    return offered


def loaded() -> set[str]:
    """Return the names of the formats that packages have registered so far."""
    return {name for name, owner in _loaded.items() if name in FORMATS and FORMATS.owner(name) is owner}


def load(name: str) -> None:
    """Register the format ``name`` when an installed package offers it.

    Raises:
        PrecisionError: when several packages offer it, or the one that does is broken.
    """
    points = list(_points(name))
    if not points:
        return
    if len(points) > 1:
        packages = " and ".join(str(_package(point)) for point in points)
        raise PrecisionError(
            f"a format name belongs to one package, but {name!r} is offered by {packages}; uninstall one"
        )
    [point] = points
    before = set(FORMATS)
    try:
        _register(name, point)
    except (Exception, SystemExit) as error:
        for added in set(FORMATS) - before:
            FORMATS.remove(added)
        said = str(error) if isinstance(error, PrecisionError) else f"it raised {trouble(error)}"
        raise PrecisionError(
            f"package {_package(point)}: the entry point '{name} = {point.value}' must give a format, but "
            f"{said}; update or uninstall the package"
        ) from error
    _loaded.update({added: FORMATS.owner(added) for added in set(FORMATS) - before})


def load_all() -> None:
    """Register every format that an installed package offers; what is broken is a warning."""
    for name, packages in sorted(offers().items()):
        if name in FORMATS:
            owner = FORMATS.owner(name)
            if owner.builtin:
                warnings.warn(
                    f"package {packages[0]}: its format {name!r} is not used, because {owner} has that name",
                    stacklevel=2,
                )
            continue
        try:
            load(name)
        except PrecisionError as error:
            warnings.warn(str(error), stacklevel=2)


def _points(name: str | None) -> Iterator[EntryPoint]:
    found: Any = entry_points(group=GROUP) if name is None else entry_points(group=GROUP, name=name)
    return iter(found)


def _package(point: EntryPoint) -> Package:
    distribution: Any = point.dist
    return Package(distribution.name, distribution.version)


def _register(name: str, point: EntryPoint) -> None:
    target = point.load()
    if name in FORMATS:  # importing it was enough
        return
    if isinstance(target, ModuleType):
        raise PrecisionError(f"the module {target.__name__} registers no format {name!r}")
    if not callable(target):
        raise PrecisionError(f"{point.value} is no factory but {target!r}")
    FORMATS.add(name, target, Owner(point.module, *_location(target, point.module)))


def _location(factory: Any, module: str) -> tuple[str, int]:
    """Return the file and the line in which a function or class is defined, or the file of its module."""
    code = getattr(inspect.unwrap(factory), "__code__", None)
    if code is not None:
        return code.co_filename, code.co_firstlineno
    try:
        return inspect.getfile(factory), 1
    except (TypeError, OSError):  # for example a functools.partial
        return getattr(sys.modules[module], "__file__", None) or module, 1
