"""Imports run one way: a line of the design imports only from the lines below it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = [
    ["precision.cli"],
    ["precision.cli_run"],
    ["precision.cli_formats"],
    ["precision.cli_grid"],
    ["precision.cli_pack"],
    ["precision.cli_policy"],
    ["precision.cli_explore"],
    ["precision.cli_store"],
    ["precision.cli_rerun"],
    ["precision.cli_options"],
    ["precision.api"],
    ["precision.exploration"],
    ["precision.report"],
    ["precision.analysis"],
    ["precision.tracking"],
    ["precision.grid"],
    ["precision.methods"],
    ["precision.measure"],
    ["precision.quantization"],
    ["precision.plugins"],
    ["precision.formats"],
    ["precision.data"],
    ["architectures"],
    ["precision.trial"],
    ["precision.registry"],
    ["precision.errors"],
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}


def layer(module: str) -> int | None:
    return next(
        (rank for name, rank in RANK.items() if module == name or module.startswith(name + ".")), None
    )


def imports(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (n if layer(n) is not None else node.module for n in names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


SOURCES = sorted(p for folder in ("precision", "architectures") for p in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_down(path):
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    rank = layer(module)
    if rank is None:
        assert module == "precision"
        return
    for imported in imports(path):
        other = layer(imported)
        assert other is None or other >= rank, f"{module} imports {imported}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_can_be_read_in_one_sitting(path):
    assert len(path.read_text().splitlines()) <= 400
