"""Plugins: Python files that the user names in a grid or on the command line, and that register something.

Whatever has a registry can come from a plugin: see ``precision.registry``. A file's code runs when it is
loaded, never before, and never unless it was named. What it registered is known by the sha256 of the file,
which is part of the identity of every trial that uses it.
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

from architectures.released import edited
from precision import received
from precision.errors import PrecisionError, line_in, shown, trouble
from precision.formats import NumberFormat
from precision.metrics import METRICS
from precision.registry import (
    ARCHITECTURES,
    DATASETS,
    FORMATS,
    METHODS,
    MULTIPLIERS,
    OBSERVERS,
    REGISTRIES,
    TRANSFORMS,
    Registry,
    foreign,
    forget,
)
from precision.startup import start_backend

MOST = 1 << 24  # bytes of a plugin
Thing = tuple[Registry, str]
"""Something registered: where, and by what name."""


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
    things: tuple[Thing, ...]  # that it registered
    metrics: tuple[str, ...]


_files: dict[Path, _Loaded] = {}  # by the resolved path


def read(path: str | Path) -> Plugin:
    """Return a plugin file without running it.

    Raises:
        PrecisionError: when it is missing, unreadable or no .py file.
    """
    place = Path(path)
    if place.suffix != ".py":
        raise PrecisionError(
            f"{path}: a plugin is a Python file whose name ends in .py, but got {shown(place.name)}; "
            "an installed package needs no plugin file, name what it offers"
        )
    return Plugin(str(path), received.read(place, MOST, near="*.py"))


def load(plugins: Iterable[str | Path | Plugin]) -> None:
    """Make these files, and no others, the plugins of this process.

    What an earlier call loaded and this one does not name is forgotten, so that a grid means the same
    regardless of what this process did before. A file that is named twice, or that is loaded already and
    has not changed, is not run again.

    Raises:
        PrecisionError: when a file cannot be read or run, registers nothing or a name that is taken.

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


def of_layers(network: Mapping[str, str]) -> dict[str, str]:
    """Return what a network depends on by the plugin files, any of which may hold the class of a layer.

    Args:
        network: what it is read from, see ``architectures.given.identity``; of a network of code the file
            that registers it says what it depends on.
    """
    files = sorted(entry.plugin.sha256 for entry in _files.values())
    return {"architecture layers": ", ".join(f"sha256 {one}" for one in files)} if network and files else {}


def metrics() -> dict[str, tuple[str, ...]]:
    """Return the metrics that each plugin of this process has added, by its path."""
    return {entry.plugin.path: entry.metrics for entry in _files.values()}


def identities(formats: Iterable[NumberFormat], others: Iterable[Thing] = ()) -> dict[str, str]:
    """Return what results depend on beyond this project, by the name of the plugin's format.

    Of anything but a format the key begins with its kind: ``architecture tiny``. The value is the sha256 of a
    plugin file, or name and version of a package and the sha256 of its module. A plugin file that mentions
    what another plugin registers depends on it too. What is built in gives nothing, but for a network whose
    code has been edited.

    Raises:
        PrecisionError: for something that no worker process could load.
    """
    found: dict[str, str] = {}
    left = sorted({name for number_format in formats for name in _names(number_format.name)})
    while left:
        name = left.pop()
        if name in found or name not in FORMATS or FORMATS.owner(name).builtin:
            continue
        found[name] = _identity((FORMATS, name))
        entry = _file_of((FORMATS, name))
        if entry is not None:
            left += sorted(word for registry, word in _mentioned(entry) if registry is FORMATS)
    for thing in others:
        registry, name = thing
        registry[name]  # a worker process loads the package that has it first
        owner = registry.owner(name)
        if owner.builtin:
            if registry is ARCHITECTURES and (digest := edited(name, owner.module)) is not None:
                found[_key(thing)] = f"edited, code {digest}"
            continue
        whole = [_identity(thing)]
        reached = [_file_of(thing)]
        for entry in reached:
            for mentioned in sorted(_mentioned(entry), key=_key) if entry else ():
                if _file_of(mentioned) not in reached:
                    reached.append(_file_of(mentioned))
                    whole.append(f"{_key(mentioned)} {_identity(mentioned)}")
        found[_key(thing)] = " with ".join(whole)
    return dict(sorted(found.items()))


def sources(identified: Mapping[str, str]) -> str:
    """Return where things come from, for a result's provenance: ``takum8: takum.py sha256 ...``.

    Args:
        identified: what :func:`identities` returned.
    """
    files = {_key(thing): entry for entry in _files.values() for thing in entry.things}
    texts = []
    for key, identity in identified.items():
        file = f"{_shown(files[key].plugin.path)} " if key in files else ""
        texts.append(f"{key}: {file}{identity}")
    return "; ".join(texts)


def blame(error: BaseException) -> str | None:
    """Return one sentence for an exception that came out of a plugin's or a package's code, else None."""
    owners: dict[str, Registry | None] = {entry.plugin.path: None for entry in _files.values()}
    owners |= {r.owner(name).file: r for r in REGISTRIES for name in r if not r.owner(name).builtin}
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in owners]
    if not frames:
        return None
    file, name = frames[-1].filename, frames[-1].name
    if owners[file] is FORMATS:
        return (
            f"{file}:{frames[-1].lineno}: {name} of a plugin must work for whatever a format is asked, but "
            f"it raised {trouble(error)}; 'precision formats check' says what it must do"
        )
    return f"{file}:{frames[-1].lineno}: {name} of a plugin raised {trouble(error)}; correct this line"


def _key(thing: Thing) -> str:
    registry, name = thing
    return name if registry is FORMATS else f"{registry.kind} {name}"


def _file_of(thing: Thing) -> _Loaded | None:
    return next((entry for entry in _files.values() if thing in entry.things), None)


def _mentioned(entry: _Loaded) -> set[Thing]:
    """Return what a file names of what other plugin files register and numbers depend on.

    A format counts wherever its name stands; of the other kinds, at the beginning of a text in quotes.
    """
    source = entry.plugin.source.decode("utf-8", "ignore")
    quoted, words = set(re.findall(r"[\"'](\w+)", source)), set(re.findall(r"\w+", source))
    kinds = (ARCHITECTURES, DATASETS, METHODS, MULTIPLIERS, OBSERVERS, TRANSFORMS)
    named = {FORMATS: words, **dict.fromkeys(kinds, quoted)}
    others = (thing for other in _files.values() if other is not entry for thing in other.things)
    return {(registry, name) for registry, name in others if name in named.get(registry, ())}


def _identity(thing: Thing) -> str:
    entry = _file_of(thing)
    if entry is not None:
        return f"sha256 {entry.plugin.sha256}"
    registry, name = thing
    owner = registry.owner(name)
    packages = registry.offers(name).get(name)
    if not packages:
        raise PrecisionError(
            f"{registry.kind} {name!r} was registered by {owner}, which the processes that run a grid do not "
            "load; put it into a file and name that under 'plugins:' or by --plugin"
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
    # An import of the same file as a module, for example by a test of its author, does not count.
    forget({(r, name) for r, name in foreign() if Path(r.owner(name).file).resolve() == path})
    before, metrics = foreign(), set(METRICS)
    module = ModuleType(f"precision_plugin_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses look their module up
    try:
        _execute(plugin, module)
        things = sorted((t for t in foreign() - before if t[0].package(t[1]) is None), key=_key)
        _check_names(plugin, things, bool(set(METRICS) - metrics))
    except BaseException:
        forget(foreign() - before)
        for name in set(METRICS) - metrics:
            METRICS.remove(name)
        del sys.modules[module.__name__]
        raise
    return _Loaded(plugin, module.__name__, tuple(things), tuple(set(METRICS) - metrics))


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


def _check_names(plugin: Plugin, things: Iterable[Thing], metrics: bool) -> None:
    for registry, name in things:
        packages = registry.offers(name).get(name)
        if packages:
            raise PrecisionError(
                f"{plugin.path}:{registry.owner(name).line}: {registry.kind} {name!r} is already offered by "
                f"the installed package {packages[0]}; choose another name or uninstall the package"
            )
    if not things and not metrics and b"register_keras_serializable" not in plugin.source:
        raise PrecisionError(
            f"{plugin.path}: a plugin must register something, but this file registers nothing; put a "
            'decorator such as @register_format("name") before a function, see docs/extending.md'
        )


def _location(plugin: Plugin, error: BaseException) -> str:
    return f"{plugin.path}:{line_in(error, plugin.path) or 1}"


def _forget(path: Path) -> None:
    entry = _files.pop(path)
    forget(set(entry.things))
    for name in entry.metrics:
        METRICS.remove(name)
    sys.modules.pop(entry.module, None)
