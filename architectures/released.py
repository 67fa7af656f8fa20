"""Whether the code of a network is that of this release: whoever edits it gets other trials.

The digests of the code stand in released.json, so that what a network builds is known without building it. A
change of the code that builds the same, which a test shows, changes the digest there and no trial.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import io
import json
import tokenize
from pathlib import Path


def edited(name: str, module: str) -> str | None:
    """Return the digest of a network's code where it is not that of this release; None where it is.

    Args:
        name: of the architecture.
        module: that registers it.
    """
    digest = code_digest(module)
    return None if digest == _released().get(name, {}).get("code") else digest


@functools.cache
def _released() -> dict[str, dict[str, str]]:
    table: dict[str, dict[str, str]] = json.loads(Path(__file__).with_suffix(".json").read_text())
    return table


def code_digest(module: str) -> str:
    """Return 16 hexadecimal digits of the sha256 of a module's code and of what it imports of its package.

    Comments, docstrings and blank lines do not count. It is the same under every version of Python, as the
    text counts and not what the compiler makes of it.
    """
    package = module.split(".")[0]
    texts: dict[str, str] = {}
    left = [module]
    while left:
        name = left.pop()
        if name in texts:
            continue
        path = _file(name)
        if path is None:
            continue
        texts[name], imported = _read(path, path.stat().st_mtime_ns)
        left += [other for other in imported if other.split(".")[0] == package and other != package]
    content = "\n".join(f"{name}\n{texts[name]}" for name in sorted(texts))
    return hashlib.sha256(content.encode()).hexdigest()[:16]


@functools.cache
def _file(module: str) -> Path | None:
    found = importlib.util.find_spec(module)
    return Path(found.origin) if found is not None and found.origin else None


@functools.lru_cache(maxsize=256)
def _read(path: Path, changed: int) -> tuple[str, tuple[str, ...]]:
    """Return the code of a file and the modules that it imports; ``changed`` is when it was written."""
    source = path.read_text(encoding="utf-8")
    return _bare(source), tuple(_imported(source))


def _imported(source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found += [node.module]
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
    return found


def _bare(source: str) -> str:
    """Return the lines of a source without comments, docstrings, blank lines and what ends a line."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(getattr(first.value, "value", None), str):
                for row in range(first.lineno, (first.end_lineno or first.lineno) + 1):
                    lines[row - 1] = ""
    return "\n".join(line.rstrip() for line in lines if line.strip())
