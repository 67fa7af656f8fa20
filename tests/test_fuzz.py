"""Whatever a user gives: what is wrong ends with a ``PrecisionError`` of one line, and nothing else escapes.

The seed is fixed, so that a run repeats what it has found. Warnings count as escapes.
"""

import gzip
import random
import string

import numpy as np
from fuzzing import damaged, refuses
from PIL import Image

from precision.data import load
from precision.data.files import npy
from precision.formats import parse, parse_rounding
from precision.formats.comparison import samples
from precision.grid import Changes, expand, load_grid, select
from precision.grid.execution.options import seconds, size
from precision.registry import FORMATS

HUGE = "9" * 5000
ODD = [
    *(
        HUGE,
        f"-{HUGE}",
        "0x" + "f" * 5000,
        "1e999",
        "-1e999",
        "nan",
        ".inf",
        "1" + "0" * 400,
        "0",
        "-1",
        "1_0",
    ),
    *("\0", "\ud800", "\x1b[31m", "\n", "\t", "é", "٣", "\\d", "\\x", "'", '"', "#", "&a", "*a", "!!python"),
    *("[" * 100, "{" * 100, "(" * 300, ")", "[]", "{}", "()", ",", ":", "=", "-", "a" * 10_000, "/" * 5000),
    *(
        "True",
        "None",
        "null",
        "~",
        "...",
        "1j",
        "b'x'",
        "{[]: 1}",
        "{1: 2}",
        "lambda: 0",
        "f'{1}'",
        "*x",
        "**y",
    ),
    *("/dev/zero", "/", "..", "~nobody-here", "a" * 300 + ".npy"),
]


def changed(rng, text, pieces):
    """Return a text with one to three pieces put in, taken out or put in place of others."""
    for _ in range(rng.randint(1, 3)):
        at = rng.randint(0, len(text))
        cut = at + rng.choice([0, 0, 1, 2, 5])
        text = text[:at] + rng.choice(pieces) + text[cut:]
    return text


FAMILIES = [name for name in sorted(FORMATS) if FORMATS[name].__module__.startswith("precision.formats.")]
WORDS = [
    *ODD,
    *string.printable,
    "overflow=wrap",
    "scale=float8_e4m3fn",
    "block=",
    "float(4,3)",
    "nf4",
    "8",
    "3",
]


def test_format_texts(tally):
    rng = random.Random(1)
    refused = 0
    for _ in range(2000):
        name = rng.choice(FAMILIES)
        arguments = [rng.choice(WORDS) if rng.random() < 0.3 else str(rng.randint(0, 9)) for _ in range(3)]
        text = f"{name}({','.join(arguments[: rng.randint(0, 3)])})"
        text = changed(rng, text, WORDS) if rng.random() < 0.7 else text
        with tally("the text of a format, changed at random") as attack:
            refused += refuses(parse, text, attack=attack)
    assert 1000 < refused < 2000


GRID = """\
name: small
datasets: [{name: digits, train_size: 100, classes: [0, 1, 2]}]
architectures: [lenet, {name: mlp, width: {each: [0.25, 0.5]}}]
policies:
  float32: float32
  fixed8: {weights: "fixed(8,6)", activations: {format: int(8), scaling: real, observer: percentile}}
  fp8: {weights: float8_e4m3fn, rounding: stochastic, layers: {"conv*": float32, "@first": bfloat16}}
methods: [ptq, {name: qat, epochs: 1}]
training: {epochs: 1, batch_size: [32, 64], learning_rate: 1.0e-3}
seeds: [0, 1]
zip: [[seeds, training.batch_size]]
exclude: [{architecture: mlp*, policy: fixed8}]
report: {baseline: float32, tolerance: 1.0}
"""
YAML = [
    *ODD,
    "  ",
    "\n  ",
    "- ",
    ": ",
    "? ",
    "| ",
    "<<: ",
    "name",
    "path: ",
    "x",
    "1",
    "float32",
    "{each: []}",
]


def lines_changed(rng, text):
    lines = text.splitlines()
    at = rng.randrange(len(lines))
    if rng.random() < 0.5:
        lines[at] = changed(rng, lines[at], YAML)
    else:  # one value in place of another
        key, _, value = lines[at].partition(": ")
        words = value.split(", ")
        words[rng.randrange(len(words))] = rng.choice(YAML)
        lines[at] = f"{key}: {', '.join(words)}"
    return "\n".join(lines)


def test_grids(tmp_path, tally):
    rng = random.Random(2)
    path = tmp_path / "grid.yaml"
    refused = 0
    for _ in range(2000):
        path.write_bytes(lines_changed(rng, GRID).encode(errors="surrogatepass"))
        with tally("a grid file, changed at random") as attack:
            refused += refuses(lambda: expand(*load_grid(path)), attack=attack)
    assert 1000 < refused < 2000


def test_option_values(tmp_path, tally):
    rng = random.Random(3)
    path = tmp_path / "grid.yaml"
    path.write_text(GRID)
    cells = expand(*load_grid(path))
    ways = [
        lambda text: expand(*load_grid(path, changes=Changes(seeds=text))),
        lambda text: expand(*load_grid(path, changes=Changes(entries=[f"training.epochs={text}"]))),
        lambda text: expand(*load_grid(path, changes=Changes(entries=[text]))),
        lambda text: select(cells, [f"policy={text}"]),
        lambda text: select(cells, [f"seed={text}"]),
        lambda text: seconds(text, "--timeout"),
        lambda text: size(text, "--memory"),
        lambda text: parse_rounding(text),
        lambda text: samples(text),
        lambda text: load_grid(text),
    ]
    values = ["3", "0,1", "fixed*", "1h", "4GiB", "stochastic(random_bits=8)", "normal", "training.epochs=3"]
    refused = 0
    for i in range(200):
        text = changed(rng, rng.choice(values), WORDS) if rng.random() < 0.7 else rng.choice(ODD)
        with tally("the value of an option, changed at random") as attack:
            refused += refuses(ways[i % len(ways)], text, attack=attack)
    assert 100 < refused < 200


def images(folder):
    """Write one good file of each kind, and return for each how it is read."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 255, (8, 3, 4)).astype(np.uint8), np.arange(8) % 2
    np.savez_compressed(folder / "own.npz", x=x, y=y)
    np.save(folder / "one.npy", np.linspace(-1, 1, 8))
    rows = "\n".join(",".join(map(str, [label, *image.ravel()])) for label, image in zip(y, x, strict=True))
    (folder / "own.csv").write_text(rows)
    (folder / "own.csv.gz").write_bytes(gzip.compress(rows.encode()))
    (folder / "table.txt").write_text("-1, 0, 0.5, 2")
    for label in ("a", "b"):
        (folder / "images" / label).mkdir(parents=True)
        for i in range(3):
            Image.fromarray(x[i]).save(folder / "images" / label / f"{i}.png")
    shape = {"shape": [3, 4], "label_column": 0}
    return {
        "own.npz": lambda: load("npz", path=folder / "own.npz"),
        "one.npy": lambda: npy.read(folder / "one.npy"),
        "own.csv": lambda: load("csv", path=folder / "own.csv", **shape),
        "own.csv.gz": lambda: load("csv", path=folder / "own.csv.gz", **shape),
        "table.txt": lambda: parse(f"codebook('{folder}/table.txt')"),
        "images/a/1.png": lambda: load("image_folder", path=folder / "images"),
    }


def test_damaged_files(tmp_path, tally):
    rng = random.Random(4)
    reads = images(tmp_path)
    good = {name: (tmp_path / name).read_bytes() for name in reads}
    for read in reads.values():
        assert not refuses(read)
    refused = 0
    for _ in range(200):
        name = rng.choice(sorted(reads))
        (tmp_path / name).write_bytes(damaged(rng, good[name]))
        with tally("a file of images or values, damaged at random") as attack:
            refused += refuses(reads[name], attack=attack)
        (tmp_path / name).write_bytes(good[name])
    assert 100 < refused < 200
