"""Imports run one way: a line of the design imports only from the lines below it."""

import ast
import functools
import graphlib
from pathlib import Path

ROOT = Path(__file__).parent.parent
LAYERS = [
    ["precision.cli"],
    ["precision.api"],
    ["precision.report"],
    ["precision.exploration", "precision.race"],
    ["precision.analysis"],
    ["precision.tracking"],
    ["precision.grid"],
    ["precision.methods"],
    ["precision.deploy"],
    ["precision.measure.counted"],
    ["precision.quantization"],
    ["precision.arithmetic"],
    ["precision.plugins"],
    ["precision.formats"],
    ["precision.data"],
    ["architectures"],
    ["precision.measure.machine"],
    ["precision.trial"],
    ["precision.texts"],
    ["precision.arguments"],
    ["precision.samples"],
    ["precision.registry"],
    ["precision.options"],
    ["precision.metrics"],
    ["precision.metric"],
    ["precision.tasks"],
    ["precision.origin"],
    ["precision.kept"],
    ["precision.files"],
    ["precision.room"],
    ["precision.received"],
    ["precision.startup"],
    ["precision.points"],
    ["precision.errors"],
    ["precision.printable"],
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@functools.cache
def layer(module: str) -> int | None:
    return next(
        (rank for name, rank in RANK.items() if module == name or module.startswith(name + ".")), None
    )


@functools.cache
def imports(path: Path) -> frozenset[str]:
    return frozenset(_imports(path))


def _imports(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (n if layer(n) is not None else node.module for n in names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


SOURCES = sorted(p for folder in ("precision", "architectures") for p in (ROOT / folder).rglob("*.py"))


def test_imports_go_down():
    wrong = []
    for path in SOURCES:
        module = module_of(path)
        rank = layer(module)
        if rank is None:
            assert path.name == "__init__.py", path  # of a folder whose parts lie in several layers
            continue
        others = {imported: layer(imported) for imported in sorted(imports(path))}
        wrong += [
            f"{module} imports {name}" for name, other in others.items() if other is not None and other < rank
        ]
    assert not wrong, "\n".join(wrong)


MODULES = {module_of(path): path for path in SOURCES}
FOLDERS = sorted({name.rpartition(".")[0] for name in MODULES if "." in name})


@functools.cache
def module_with(name: str) -> str:
    """The module in which an imported name stands."""
    while name not in MODULES and "." in name:
        name = name.rpartition(".")[0]
    return name


def rooms(folder: str) -> dict[str, set[str]]:
    """Which files and folders in a folder import which others there."""
    graph: dict[str, set[str]] = {}
    for name, path in MODULES.items():
        if not name.startswith(f"{folder}."):
            continue
        room = name.removeprefix(f"{folder}.").split(".")[0]
        for other in map(module_with, imports(path)):
            if other.startswith(f"{folder}."):
                graph.setdefault(room, set()).add(other.removeprefix(f"{folder}.").split(".")[0])
    return {room: others - {room} for room, others in graph.items()}


def test_no_folder_has_a_circle_inside():
    """Its files and folders import one way, inside functions and for type checkers too."""
    circles = []
    for folder in FOLDERS:
        try:
            graphlib.TopologicalSorter(rooms(folder)).prepare()
        except graphlib.CycleError as error:
            circles.append(f"{folder}: " + " -> ".join(error.args[1]))
    assert not circles, "\n".join(circles)


def test_no_file_imports_the_package_around_it():
    """An ``__init__.py`` gathers what lies beside it, so importing it from there would be a circle."""
    wrong = {}
    for path in SOURCES:
        module = module_of(path)
        if path.name != "__init__.py" and module.count(".") > 1:
            around = {module.rsplit(".", n)[0] for n in range(1, module.count("."))}
            if found := around & set(map(module_with, imports(path))):
                wrong[module] = sorted(found)
    assert not wrong


def test_a_file_can_be_read_in_one_sitting():
    lines = {module_of(path): len(path.read_text().splitlines()) for path in SOURCES}
    assert not {module: count for module, count in lines.items() if count > 400}
