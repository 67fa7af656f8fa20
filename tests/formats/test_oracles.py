"""The oracles themselves: two ways to the same result, and the command behind ``make verify``."""

import shutil

import numpy as np
import pytest
from oracles import exhaustive, patterns, record, verify
from oracles.blocks import rounded
from oracles.catalogue import definition
from oracles.definition import MODES
from oracles.record import Record
from oracles.report import markdown
from oracles.staircase import INFINITY, SIGN, bits, first_above, first_at_least, keys


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "text",
    [
        *("float4_e2m1fn", "float8_e4m3fn(overflow=saturate)", "fixed(8,4)", "posit(8,2)", "lns(8,3)", "nf4"),
        "ternary(threshold=0.05)",
    ],
)
def test_staircases_agree_with_a_search_among_the_values(text, mode):
    d = definition(text)
    p = np.concatenate([patterns.edges(d), patterns.common(), patterns.random(1000)])
    x = p.view(np.float32)
    p, x = p[np.isfinite(x)], x[np.isfinite(x)]
    expected = [rounded(d, float(v), bool(n), mode) for v, n in zip(x, np.signbit(x), strict=True)]
    np.testing.assert_array_equal(d.staircase(mode).lookup(p), bits(np.array(expected, np.float32)))


@pytest.mark.parametrize(
    "text", ["float8_e4m3fn", "float8_e5m2fnuz", "fixed(8,4,overflow=wrap)", "posit(16,1)"]
)
def test_runs_of_patterns_agree_with_single_ones(text):
    stairs = definition(text).staircase()
    for first in (
        0,
        0x3F7FF000,
        INFINITY - 5000,
        0x7FFFF000,
        SIGN,
        SIGN + 0x3F7FF000,
        0xFF7FF000,
        0xFFFFD8F0,
    ):
        p = np.arange(first, first + 10_000, dtype=np.int64).astype(np.uint32)
        if (p < SIGN).all() or (p >= SIGN).all():
            np.testing.assert_array_equal(stairs.run(first, 10_000), stairs.lookup(p))


def test_keys_are_in_the_order_of_the_numbers():
    x = np.array([-np.inf, -1, -1e-45, -0.0, 0.0, 1e-45, 1, np.inf], np.float32)
    k = keys(bits(x))
    assert (np.diff(k) > 0).all() and k[3] == -1 and k[4] == 0 and k[7] == INFINITY
    limits = np.array([-1.0, -1e-60, 0.0, 1e-60, 1 + 2.0**-30, 1e39])
    above_one = int(keys(bits(1.0))[0]) + 1
    np.testing.assert_array_equal(
        first_at_least(limits), [keys(bits(-1.0))[0], -1, -1, 1, above_one, INFINITY]
    )
    np.testing.assert_array_equal(
        first_above(limits), [keys(bits(-1.0))[0] + 1, -1, 1, 1, above_one, INFINITY]
    )


COMMAND = ["--formats", "float4_e2m1fn", "--sample", "1", "--processes", "1", "--record"]


def test_an_exhaustive_run_is_recorded_and_resumed(tmp_path, capsys, monkeypatch):
    assert verify.main([*COMMAND, str(tmp_path)]) == 0
    assert "16,777,216 patterns           0 mismatches" in capsys.readouterr().out
    monkeypatch.setattr(exhaustive, "check", lambda text, chunk: pytest.fail("checked again"))
    assert verify.main([*COMMAND, str(tmp_path)]) == 0
    assert "1 of 1 stretches were finished before" in capsys.readouterr().out
    results = Record(tmp_path).read("float4_e2m1fn")
    assert results[0]["definition"] == {"patterns": 2**24, "mismatches": 0, "examples": []}
    assert results[0]["tensors"]["patterns"] == 2**24 - (2**23 - 1)
    assert "| 0 of 16,777,216 | 0 of 16,777,216 | 0 of 8,388,609 |" in markdown({"float4_e2m1fn": results})


def test_an_exhaustive_run_tells_a_wrong_format(tmp_path, capsys, monkeypatch):
    from precision.formats import parse

    wrong = (parse("fixed(4,1)"), definition("float4_e2m1fn").staircase())
    monkeypatch.setattr(exhaustive, "_subject", lambda text: wrong)
    monkeypatch.setattr(verify, "_wanted", lambda sample: [0x40])  # from 2 to 8
    assert verify.main([*COMMAND, str(tmp_path)]) == 1
    assert "40100001: 40200000, not 40000000" in capsys.readouterr().out  # 2.25 and a little: 2.5 is no FP4


@pytest.mark.parametrize("changed", ["precision/formats/families/posit.py", "precision/formats/base.py"])
def test_a_record_belongs_to_all_files_of_the_formats(tmp_path, monkeypatch, changed):
    for folder in ("precision/formats", "tests/oracles"):
        shutil.copytree(record.ROOT / folder, tmp_path / folder)
    before = record.fingerprint()
    monkeypatch.setattr(record, "ROOT", tmp_path)
    assert record.fingerprint() == before
    with (tmp_path / changed).open("a") as file:
        file.write("# another line\n")
    assert record.fingerprint() != before
