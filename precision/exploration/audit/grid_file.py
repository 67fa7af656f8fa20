"""The grid file of an audit, with which it can be repeated, refined and run."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from precision import data, files, received
from precision.errors import PrecisionError
from precision.exploration.audit.ladder import Target
from precision.grid.command import DATA, from_folder
from precision.grid.file.source import portable
from precision.printable import printable

_MADE = "# As it was made: "  # and a digest, by which a change is noticed


def text_of(
    name: str,
    dataset: Mapping[str, Any],
    model: Path,
    targets: Sequence[Target],
    folder: Path,
    *,
    tolerance: float,
    plugins: Sequence[str | Path] = (),
    command: Sequence[str],
) -> str:
    """Return the content of the grid file of an audit.

    Args:
        name: of the grid.
        dataset: name and options.
        model: its file.
        folder: in which the file will lie, from which its paths count.
        tolerance: percentage points.
        command: that made it.
    """
    options = {key: value for key, value in dataset.items() if key != "name"}
    for option in data.path_options(dataset["name"]) & options.keys():
        options[option] = _from(folder, options[option])
    network = {"name": "keras_file", "path": _from(folder, model), "label": label(model)}
    lines = ["# Leave out what is not wanted, add policies and methods, and: precision run FILE"]
    lines += _entry("name", name)
    if plugins:
        lines += _entry("plugins", [_from(folder, plugin) for plugin in plugins])
    lines += ["datasets:", f"- {flow({'name': dataset['name'], **options})}"]
    lines += ["architectures:", f"- {flow(network)}", "policies:", "  float32: float32"]
    for target in targets:
        lines.append(f"  # {target.title}")
        lines += [f"  {policy}: {flow(dict(spec))}" for policy, spec in target.policies.items()]
    lines += _entry("methods", ["ptq"])
    lines += _entry("report", {"tolerance": tolerance})
    content = "\n".join(lines) + "\n"
    return f"# Made by: {printable(shlex.join(command))}\n{_MADE}{_digest(content)}\n{content}"


def write(path: Path, text: str, force: bool = False) -> None:
    """Write the grid file of an audit into an existing folder, unless one is there that the user has changed.

    Raises:
        PrecisionError: when there is, or nothing can be written.
    """
    if path.exists() and not force and not _as_made(path):
        raise PrecisionError(
            f"{path}: this grid was changed since an audit made it; rename it, give another --output, "
            "or --force to replace it"
        )
    with files.refused(path.parent, "the grid cannot be written here", "give another --output"):
        files.write(path, text.encode())


@dataclass(frozen=True)
class Given:
    """What a user gave: a model and its data.

    Attributes:
        model: its file.
        data: a path, or the name of a data set, with its ``options``.
        data_dir: folder of the data sets; None where none was given.
        plugins: files.
    """

    model: Path
    data: str
    options: Mapping[str, Any] = field(default_factory=dict)
    data_dir: Path | None = None
    plugins: Sequence[str | Path] = ()

    @property
    def label(self) -> str:
        """The name of the model file as a grid can have it."""
        return label(self.model)

    def words(self, name: str, more: Sequence[str] = (), *, elsewhere: bool = False) -> list[str]:
        """Return the words of a command that is given this.

        Args:
            name: of the command.
            more: words of its own.
            elsewhere: as a reader elsewhere can type it, with ``DATA`` for the folder of the data sets.
        """

        def place(path: str | Path) -> str:
            return portable(Path(path)) if elsewhere else str(path)

        source = place(self.data) if Path(self.data).exists() else self.data
        if elsewhere:
            folder = ["--data-dir", DATA] if from_folder([self.data]) else []
        else:
            folder = [] if self.data_dir is None else ["--data-dir", str(self.data_dir)]
        options = [f"--data-option={key}={flow(value)}" for key, value in self.options.items()]
        plugins = [f"--plugin={place(plugin)}" for plugin in self.plugins]
        words = [place(self.model), "--data", source, *folder, *options, *more, *plugins]
        return ["precision", name, *words]


def command(given: Given, targets: Sequence[str], tolerance: float) -> list[str]:
    """Return the words of the command that repeats an audit, as a reader elsewhere can type it."""
    words = [f"--target={name}" for name in targets]
    words += [] if tolerance == 1 else [f"--tolerance={tolerance:g}"]
    return given.words("audit", words, elsewhere=True)


def _as_made(path: Path) -> bool:
    """Return whether a file is a grid of an audit that nobody has changed since."""
    try:
        text = received.stored(path)[1].decode()
    except (OSError, ValueError):
        return False
    digest, _, content = text.partition(_MADE)[2].partition("\n")
    return digest == _digest(content)


def _digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def label(model: Path) -> str:
    """Return the name of a model file as a grid can have it."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", model.stem).strip("_.-")[:48] or "model"


def _from(folder: Path, path: str | Path) -> str:
    """Return a path as it counts from a folder: relative where both lie below the working directory."""
    target = Path(path).expanduser().absolute()
    # As the system follows links: the folder above one is another than that of what it leads to.
    here, folder, real = Path.cwd().resolve(), folder.resolve(), target.parent.resolve() / target.name
    inside = real.is_relative_to(here) and folder.is_relative_to(here)
    return Path(os.path.relpath(real, folder)).as_posix() if inside else str(target)


def _entry(key: str, value: Any) -> list[str]:
    return [f"{key}: {flow(value)}"]


class _Plain(yaml.SafeDumper):
    """Writes what stands twice twice, without anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def flow(value: Any) -> str:
    """Return a value as YAML on one line."""
    form: dict[str, Any] = {"default_flow_style": True, "sort_keys": False, "width": 2**31}
    text = yaml.dump(value, Dumper=_Plain, allow_unicode=True, **form)
    return text.removesuffix("\n").removesuffix("\n...")
