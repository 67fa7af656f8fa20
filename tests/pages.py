"""The pages of the documentation as a reader works through them: files are written, commands run, in order.

    <!-- file: NAME -->   the block below is written to NAME
    <!-- add: NAME -->    the mapping below comes into the grid NAME

All other blocks of ``sh`` and ``python`` are run. Grids are reduced: few images and one epoch, so that the
pages share their trained networks by one store.
"""

import contextlib
import io
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import yaml
from typer.testing import CliRunner

ROOT = Path(__file__).parent.parent
FENCE = re.compile(
    r"(?:<!-- (?P<what>file|add): (?P<name>\S+) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```", re.S | re.M
)
SMALL = {"name": "digits", "train_size": 64, "test_size": 32}  # all batches of one shape: compiled once
FEWER = (
    (r"--images \d+", "--images 32"),
    (r"--trials \d+", "--trials 3"),
    (r"--jobs \d+", "--jobs 1"),
    (r"--seeds \d+", "--seeds 2"),
    (r"(audit \S+ --data \S+)$", r"\1 --target integer"),
    (r"(sensitivity \S+)$", r"\1 --slot inputs"),
)


class Block(NamedTuple):
    what: str  # file, add, or nothing
    name: str
    language: str
    text: str


def blocks(page):
    """Return the fenced blocks of a page of the repository, in order."""
    text = (ROOT / page).read_text()
    return [Block(m["what"] or "", m["name"] or "", m["language"], m["text"]) for m in FENCE.finditer(text)]


def commands(block):
    """Return the lines of a block without their comments."""
    lines = (re.sub(r"(?:^|\s+)#\s.*", "", line).strip() for line in block.text.splitlines())
    return [line for line in lines if line]


def reduced(grid):
    """Return a grid that asks the same of fewer images, epochs and seeds."""
    found = dict(grid)
    if "datasets" in found:
        entries = found["datasets"] if isinstance(found["datasets"], list) else [found["datasets"]]
        found["datasets"] = [_small(entry) for entry in entries]
    if "name" in found:
        found["training"] = {"epochs": 1, "batch_size": 32}
        found["seeds"] = [0]
        # Each policy of another training takes seconds: they are tried with the last one.
        methods = found.get("methods", ["ptq"])
        trained = [_label(method) for method in methods if method != "ptq"]
        policies = list(found["policies"])
        if trained and policies[1:-1]:
            found["exclude"] = [*found.get("exclude", []), {"method": trained, "policy": policies[1:-1]}]
        found["architectures"] = found["architectures"][:1]
        kept = [_label(entry) for entry in found["architectures"]]
        found["exclude"] = [e for e in found.get("exclude", []) if e.get("architecture", kept[0]) in kept]
    return found


def _small(entry):
    name = entry if isinstance(entry, str) else entry["name"]
    return entry if name in ("csv", "npz", "npy", "image_folder") else dict(SMALL)


def _label(entry):
    return entry if isinstance(entry, str) else entry.get("label", entry["name"])


class Reader:
    """Works through one page in a folder."""

    def __init__(self, folder):
        self.folder, self.names, self.printed, self.grids = folder, {}, [], {}

    def read(self, block):
        if block.what == "file":
            self.write(block.name, block.text)
        elif block.what == "add":
            whole = self.grids[block.name]
            for key, value in yaml.safe_load(block.text).items():
                whole[key] = {**whole.get(key, {}), **value} if isinstance(value, dict) else value
            self.write(block.name, yaml.safe_dump(whole, sort_keys=False))
        elif block.language == "sh":
            for command in commands(block):
                self.run(command)
        elif block.language == "python":
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(block.text, "page", "exec"), self.names)

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".yaml"):
            self.grids[name] = yaml.safe_load(text)
            text = yaml.safe_dump(reduced(self.grids[name]), sort_keys=False)
        path.write_text(text)

    def run(self, command):
        for pattern, fewer in FEWER:
            command = re.sub(pattern, fewer, command)
        program, *words = shlex.split(command)
        if program == "python":
            done = subprocess.run(
                [sys.executable, *words], cwd=self.folder, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
            return
        assert program == "precision", command
        from precision.cli.app import app

        words = [expanded for word in words for expanded in self._expanded(word)]
        done = CliRunner().invoke(app, words)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise AssertionError(f"{command}: {done.exception}") from done.exception
        assert done.exit_code == 0, f"{command}: {done.output}"
        self.printed.append((command, done.stdout))
        if words[0] == "init":
            self.write(words[1], (self.folder / words[1]).read_text())

    def _expanded(self, word):
        """Return what a shell makes of a word without quotes, such as ``*.yaml``."""
        return sorted(path.name for path in self.folder.glob(word)) if word == "*.yaml" else [word]
