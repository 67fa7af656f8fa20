"""Tables of values from a file: rounded as defined, known by their content, refused when wrong."""

import numpy as np
import pytest
from oracles import patterns
from oracles.definition import MODES
from oracles.enumerations import table
from oracles.staircase import bits

from precision.errors import PrecisionError
from precision.formats import Codebook, parse
from precision.grid import load_grid
from precision.quantization import parse_policy

VALUES = [-7.5, -3.0, -1.25, -0.1, 0.3, 0.30000001192092896, 1.0, 2.0**-20, 1e4, 2.5]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("mode", [m for m in MODES if m not in ("toward_zero", "odd")])
def test_rounds_as_the_definition(here, mode):
    ascending = sorted(np.unique(np.array(VALUES, np.float32)).tolist())
    np.save("own.npy", np.array(ascending, np.float32))
    d = table(4, ascending, list(range(len(ascending))), nan=2.0**-20)
    p = patterns.of(d, 20_000)
    got = bits(parse("codebook('own.npy')").quantize(p.view(np.float32), mode))
    wrong = patterns.differences(got, d.staircase(mode).lookup(p))
    assert wrong.size == 0, p.view(np.float32)[wrong[:5]]


def test_a_large_random_table(here):
    values = np.unique(np.random.default_rng(0).normal(size=3000).astype(np.float32))
    np.save("large.npy", values)
    zero = float(values[np.argmin(np.abs(values))])
    d = table(12, values.tolist(), list(range(len(values))), nan=zero)
    f, p = parse("codebook('large.npy')"), patterns.of(d, 200_000)
    assert patterns.differences(bits(f.quantize(p.view(np.float32))), d.staircase().lookup(p)).size == 0
    assert f.bits == 12


@pytest.mark.parametrize("name", ["a.npy", "a.csv", "a.txt"])
def test_every_kind_of_file_and_codes_in_its_order(here, name):
    values = [0.5, -1.0, 0.0, 2.0]
    if name == "a.npy":
        np.save(name, np.array(values))
    else:
        (here / name).write_text((", " if name == "a.csv" else "\n").join(map(str, values)))
    f = parse(f"codebook('{name}')")
    np.testing.assert_array_equal(f.values(), sorted(values))
    np.testing.assert_array_equal(f.decode(np.arange(4)), values)
    np.testing.assert_array_equal(f.encode(np.array([2.2, 0.1, -9.0, 0.4])), [3, 2, 1, 0])
    assert f.bits == 2
    assert parse(f.name) == f and "sha256" in f.name


def test_another_content_under_the_same_name_is_refused(here):
    np.save("t.npy", np.array([0.0, 1.0]))
    name = parse("codebook('t.npy')").name
    np.save("t.npy", np.array([0.0, 2.0]))
    with pytest.raises(PrecisionError, match="another content"):
        parse(name)
    assert parse("codebook('t.npy')").name != name


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (np.array([1.0]), "2 to 65536"),
        (np.zeros((2, 2)), "2 to 65536"),
        (np.array([1.0, 1.0]), "different"),
        (np.array([1.0, np.nan]), "finite"),
        (np.array([1.0, 1e300]), "finite"),
        (np.array(["a", "b"]), "2 to 65536"),
        (None, "there is no such file"),
    ],
)
def test_refused(here, content, match):
    if content is not None:
        np.save("bad.npy", content)
    with pytest.raises(PrecisionError, match=match):
        parse("codebook('bad.npy')")


def test_refused_kinds_of_files(here):
    (here / "words.csv").write_text("a, b")
    (here / "table.json").write_text("[1, 2]")
    np.save("objects.npy", np.array([{}, []], object), allow_pickle=True)
    for name in ("words.csv", "table.json", "objects.npy"):
        with pytest.raises(PrecisionError, match=name):
            parse(f"codebook('{name}')")


def adjacent(count):
    """The float32 numbers from 1 on, one after the other."""
    return (np.arange(count, dtype=np.int32) + np.float32(1).view(np.int32)).view(np.float32)


def test_a_table_that_can_never_round_is_refused_where_it_is_read(here):
    np.save("near.npy", adjacent(1000))
    with pytest.raises(PrecisionError, match="too near to each other"):
        parse("codebook('near.npy')")
    lines = ["name: x", "datasets: digits", "architectures: lenet", "policies:", "  float32: float32"]
    (here / "grid.yaml").write_text("\n".join([*lines, "  near: {weights: \"codebook('near.npy')\"}"]))
    with pytest.raises(PrecisionError, match=r"grid.yaml:6: policies.near.weights: .*too near"):
        load_grid(here / "grid.yaml")


def test_a_table_that_cannot_round_in_one_mode_is_refused_with_that_mode(here, monkeypatch):
    np.save("few.npy", adjacent(2))
    assert parse("codebook('few.npy')").quantize(np.float32(1)) == 1

    def program(self, rounding="nearest"):
        raise PrecisionError(f"no {rounding}")

    monkeypatch.setattr(Codebook, "program", program)
    assert parse_policy({"weights": "codebook('few.npy')"}).slots["weights"]
    with pytest.raises(PrecisionError, match="no floor"):
        parse_policy({"weights": {"format": "codebook('few.npy')", "rounding": "floor"}})
