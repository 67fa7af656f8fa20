"""Plugins: Python files with number formats that the user names in a grid or on the command line.

A file's code runs when it is loaded, never before, and never unless it was named. What it registered is known
by the sha256 of the file, which is part of the identity of every trial that uses it.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import re
import sys
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from precision.errors import PrecisionError
from precision.formats import NumberFormat, installed
from precision.formats.engine.foreign import line_in, trouble
from precision.registry import FORMATS
from precision.startup import start_backend


@dataclass(frozen=True)
class Plugin:
    """A plugin file as it was read: its workers run these bytes, even when the file is changed.

    Attributes:
        path: as the user named it, for messages.
        source: content of the file.
    """

    path: str
    source: bytes

    @property
    def sha256(self) -> str:
        """The sha256 of the content, in hexadecimal."""
        return hashlib.sha256(self.source).hexdigest()


@dataclass(frozen=True)
class _Loaded:
    plugin: Plugin
    module: str
    names: tuple[str, ...]  # of the formats that it registered


_files: dict[Path, _Loaded] = {}  # by the resolved path


def read(path: str | Path) -> Plugin:
    """Return a plugin file without running it.

    Raises:
        PrecisionError: when it is missing, unreadable or no .py file.
    """
    place = Path(path)
    if place.suffix != ".py":
        raise PrecisionError(
            f"{path}: a plugin is a Python file whose name ends in .py, but got {place.name!r}; "
            "an installed package needs no plugin file, name its format"
        )
    try:
        return Plugin(str(path), place.read_bytes())
    except FileNotFoundError:
        near = sorted(p.name for p in place.parent.glob("*.py")) if place.parent.is_dir() else []
        hint = f"; {place.parent} has {', '.join(near)}" if near else "; check the path"
        raise PrecisionError(f"{path}: there is no such plugin file{hint}") from None
    except OSError as error:
        raise PrecisionError(f"{path}: this plugin file cannot be read ({error.strerror})") from None


def load(plugins: Iterable[str | Path | Plugin]) -> None:
    """Make these files, and no others, the plugins of this process.

    What an earlier call loaded and this one does not name is forgotten, so that a grid means the same
    regardless of what this process did before. A file that is named twice, or that is loaded already and
    has not changed, is not run again.

    Raises:
        PrecisionError: when a file cannot be read or run, registers no format or one whose name is taken.

    >>> import numpy as np
    >>> from pathlib import Path
    >>> from precision import formats, plugins
    >>> _ = Path("signs.py").write_text('''
    ... from precision.formats import Codebook, register_format
    ... @register_format("signs")
    ... def signs(): return Codebook("signs", bits=1, values=[-1.0, 1.0])
    ... ''')
    >>> plugins.load(["signs.py"])
    >>> formats.parse("signs").quantize(np.array([0.3, -7.0]))
    array([ 1., -1.], dtype=float32)
    >>> plugins.load([])
    """
    wanted: dict[Path, Plugin] = {}
    for entry in plugins:
        plugin = entry if isinstance(entry, Plugin) else read(entry)
        wanted.setdefault(Path(plugin.path).resolve(), plugin)
    for path, loaded in list(_files.items()):
        if path not in wanted or wanted[path].source != loaded.plugin.source:
            _forget(path)
    for path, plugin in wanted.items():
        if path not in _files:
            _files[path] = _run(path, plugin)


def loaded() -> list[Plugin]:
    """Return the plugins of this process, in the order in which they were loaded."""
    return [entry.plugin for entry in _files.values()]


def identities(formats: Iterable[NumberFormat]) -> dict[str, str]:
    """Return what the results of formats depend on beyond this project, by the name of the plugin's format.

    The value is the sha256 of a plugin file, or name and version of a package and the sha256 of its module.
    A plugin file that mentions the format of another plugin depends on it too. Built-in formats give nothing.

    Raises:
        PrecisionError: for a format that no worker process could load.
    """
    found: dict[str, str] = {}
    left = sorted({name for number_format in formats for name in _names(number_format.name)})
    while left:
        name = left.pop()
        if name in found or name not in FORMATS or FORMATS.owner(name).builtin:
            continue
        entry = _file_of(name)
        if entry is None:
            found[name] = _identity_of_package(name)
            continue
        found[name] = f"sha256 {entry.plugin.sha256}"
        words = set(re.findall(r"\w+", entry.plugin.source.decode("utf-8", "ignore")))
        left += sorted(words & {other for e in _files.values() if e is not entry for other in e.names})
    return dict(sorted(found.items()))


def sources(identified: Mapping[str, str]) -> str:
    """Return where formats come from, for a result's provenance: ``takum8: takum.py sha256 ...``.

    Args:
        identified: what :func:`identities` returned.
    """
    texts = []
    for name, identity in identified.items():
        entry = _file_of(name)
        texts.append(f"{name}: {_shown(entry.plugin.path)} {identity}" if entry else f"{name}: {identity}")
    return "; ".join(texts)


def blame(error: BaseException) -> str | None:
    """Return one sentence for an exception that came out of a plugin's or a package's code, else None."""
    owners = [FORMATS.owner(name) for name in FORMATS]
    files = {owner.file for owner in owners if not owner.builtin}
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in files]
    if not frames:
        return None
    return (
        f"{frames[-1].filename}:{frames[-1].lineno}: {frames[-1].name} of a plugin must work for whatever a "
        f"format is asked, but it raised {trouble(error)}; 'precision formats check' says what it must do"
    )


def _file_of(name: str) -> _Loaded | None:
    return next((entry for entry in _files.values() if name in entry.names), None)


def _identity_of_package(name: str) -> str:
    owner = FORMATS.owner(name)
    packages = installed.offers(name).get(name)
    if not packages:
        raise PrecisionError(
            f"format {name!r} was registered by {owner}, which the processes that run a grid do not load; "
            "put it into a file and name that under 'plugins:' or by --plugin"
        )
    try:
        content = hashlib.sha256(Path(owner.file).read_bytes()).hexdigest()
    except OSError:  # a compiled module
        return str(packages[0])
    return f"{packages[0]} sha256 {content}"


def _names(text: str) -> set[str]:
    """Return the words of a format text that may name a format, its elements included."""

    def words(node: ast.expr) -> set[str]:
        if isinstance(node, ast.Name):
            return {node.id}
        if not isinstance(node, ast.Call):
            return set()
        return set().union(
            words(node.func), *map(words, node.args), *(words(keyword.value) for keyword in node.keywords)
        )

    return words(ast.parse(text, mode="eval").body)


def _shown(path: str) -> str:
    """Return a path as it can be told elsewhere: from the working directory, or the name alone."""
    try:
        return Path(path).resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return Path(path).name


def _run(path: Path, plugin: Plugin) -> _Loaded:
    """Run a plugin file and return what it registered; a failure leaves nothing behind."""
    for name in list(FORMATS):  # an import of the same file as a module, for example by a test of its author
        if not FORMATS.owner(name).builtin and Path(FORMATS.owner(name).file).resolve() == path:
            FORMATS.remove(name)
    before = set(FORMATS)
    module = ModuleType(f"precision_plugin_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses look their module up
    try:
        _execute(plugin, module)
        names = tuple(sorted(set(FORMATS) - before - installed.loaded()))
        _check_names(plugin, names)
    except BaseException:
        for name in set(FORMATS) - before:
            FORMATS.remove(name)
        del sys.modules[module.__name__]
        raise
    return _Loaded(plugin, module.__name__, names)


def _execute(plugin: Plugin, module: ModuleType) -> None:
    if re.search(rb"^(?:import|from)\b.*\b(?:keras|tensorflow)\b", plugin.source, re.M):
        with contextlib.suppress(ImportError):
            start_backend()
    try:
        exec(compile(plugin.source, plugin.path, "exec", dont_inherit=True), vars(module))
    except PrecisionError as error:
        raise PrecisionError(f"{_location(plugin, error)}: {error}") from error
    except SyntaxError as error:
        if error.filename != plugin.path:  # of a module that the plugin imports
            raise PrecisionError(
                f"{_location(plugin, error)}: the plugin imports {error.filename}, which is not Python: "
                f"{error.msg} in line {error.lineno}; correct it there"
            ) from error
        raise PrecisionError(
            f"{plugin.path}:{error.lineno or 1}: the plugin is not Python: {error.msg}; correct this line"
        ) from error
    except (Exception, SystemExit) as error:
        hint = "install what it imports" if isinstance(error, ImportError) else "correct this line"
        raise PrecisionError(
            f"{_location(plugin, error)}: a plugin must load without an error, but it raised "
            f"{trouble(error)}; {hint} or leave the plugin out"
        ) from error


def _check_names(plugin: Plugin, names: tuple[str, ...]) -> None:
    offered = installed.offers()
    for name in names:
        if name in offered:
            raise PrecisionError(
                f"{plugin.path}:{FORMATS.owner(name).line}: format {name!r} is already offered by the "
                f"installed package {offered[name][0]}; choose another name or uninstall the package"
            )
    if not names:
        raise PrecisionError(
            f"{plugin.path}: a plugin must register a format, but this file registers none; put "
            '@register_format("name") before a function that returns a NumberFormat'
        )


def _location(plugin: Plugin, error: BaseException) -> str:
    return f"{plugin.path}:{line_in(error, plugin.path) or 1}"


def _forget(path: Path) -> None:
    entry = _files.pop(path)
    for name in entry.names:
        FORMATS.remove(name)
    sys.modules.pop(entry.module, None)
