"""Multipliers of plugins: found by their names, part of identities, and told with their lines when wrong."""

import hashlib
import re
from pathlib import Path

import pytest

from precision import plugins
from precision.arithmetic.multipliers import errors_of, parse_multiplier
from precision.errors import PrecisionError
from precision.registry import MULTIPLIERS, foreign

OWN = """\
from precision.arithmetic.multipliers import Multiplier, parse_multiplier, register_multiplier


@register_multiplier("one_less")
def one_less(bits, *, deep=False):
    text = f"one_less({bits},deep=True)" if deep else f"one_less({bits})"
    return Multiplier(text, (bits, bits), False, lambda a, w: a * w - (a > 0) * (w > 0))
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    plugins.load([])
    assert not foreign()


def load(*changes, name="own.py", text=OWN):
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    Path(name).write_text(text)
    return text


def test_one_of_a_plugin_is_like_any_other():
    text = load()
    with pytest.raises(PrecisionError, match="unknown multiplier 'one_less"):
        parse_multiplier("one_less(4)")
    plugins.load(["own.py"])
    multiplier = parse_multiplier("one_less(4)")
    assert [int(multiplier.multiply(5, w)) for w in (-3, 0, 3)] == [-14, 0, 14]
    assert errors_of(multiplier).worst == 1
    assert multiplier.family == "one_less" and parse_multiplier("one_less(4,deep=True)") != multiplier
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert plugins.identities([], [(MULTIPLIERS, multiplier.family)]) == {
        "multiplier one_less": f"sha256 {digest}"
    }
    assert plugins.identities([], [(MULTIPLIERS, "drum")]) == {}


def test_one_that_is_made_of_another_depends_on_it():
    load()
    second = load(
        ('"one_less"', '"as_it_was"'),
        ("def one_less", "def as_it_was"),
        ("    text =", '    parse_multiplier("one_less(4)")\n    text ='),
        ("one_less({bits}", "as_it_was({bits}"),
        name="second.py",
    )
    plugins.load(["own.py", "second.py"])
    [identity] = plugins.identities([], [(MULTIPLIERS, "as_it_was")]).values()
    assert identity.startswith(
        f"sha256 {hashlib.sha256(second.encode()).hexdigest()} with multiplier one_less"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            ('"one_less({bits})"', '"less"'),
            r"own\.py:4: the name of a multiplier must be a text that gives the",
        ),
        (("return Multiplier(", "return str("), r"own\.py:7: the factory of multiplier 'one_less\(4\)' must"),
        (
            ("    text =", "    1 / 0\n    text ="),
            r"own\.py:6: the factory of multiplier .* ZeroDivisionError",
        ),
        (
            ("return Multiplier(", "return (lambda *_: 8)("),
            r"must return a Multiplier, but it returned 8; return",
        ),
    ],
)
def test_what_is_wrong_with_it_is_told_with_its_line(changes, message):
    load(changes)
    plugins.load(["own.py"])
    with pytest.raises(PrecisionError) as caught:
        parse_multiplier("one_less(4)")
    assert re.search(message, str(caught.value)), str(caught.value)


def test_products_that_are_wrong_are_told_with_their_line():
    load(("a * w - (a > 0) * (w > 0)", "a / w"))
    plugins.load(["own.py"])
    with pytest.raises(
        PrecisionError, match=r"own\.py:7: the function of multiplier one_less\(4\) must return"
    ):
        parse_multiplier("one_less(4)").multiply(3, 5)


def test_a_wrong_argument_is_the_users(folder):
    load()
    plugins.load(["own.py"])
    with pytest.raises(PrecisionError, match=r"one_less\(1\): an operand has 2 to 16 bits, but got \(1, 1\)"):
        parse_multiplier("one_less(1)")
    with pytest.raises(
        PrecisionError, match=r"'one_less\(\)': missing a required argument: 'bits'; write it as"
    ):
        parse_multiplier("one_less()")
