from typing import Annotated

import pytest
from pydantic import Field

from precision.errors import PrecisionError, suggest
from precision.options import Rule
from precision.registry import Registry

Even = Annotated[int, Field(multiple_of=2), Rule("an even number")]


@pytest.fixture
def things():
    registry = Registry("thing")

    @registry.register("pair")
    def pair(place, *, size: Even = 2, colour="red", must):
        """Two of a kind.

        More words.
        """

    return registry


def test_a_name_is_given_once(things):
    with pytest.raises(PrecisionError, match="'pair' is already registered"):
        things.register("pair")(lambda: None)


def test_what_is_known_and_what_is_not(things):
    assert list(things) == ["pair"]
    assert "pair" in things
    assert things.summary("pair") == "Two of a kind."
    assert list(things.options("pair")) == ["size", "colour", "must"]
    with pytest.raises(PrecisionError, match=r"unknown thing 'piar'; did you mean 'pair'\?"):
        things["piar"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"must": 1, "sise": 2}, "has no option 'sise'; did you mean 'size'"),
        ({"must": 1, "size": 3}, "needs 'size' to be an even number, but got 3"),
        ({"size": 2}, "needs the option 'must'"),
    ],
)
def test_options(things, options, message):
    with pytest.raises(PrecisionError, match=message):
        things.check_options("pair", options)
    things.check_options("pair", {"must": None, "size": 4})


def test_suggestions():
    assert suggest("lennet", ["lenet", "vgg"]) == "did you mean 'lenet'?"
    assert suggest("LENET", ["lenet"]) == "did you mean 'lenet'?"
    assert suggest("xyz", ["lenet", "vgg"]) == "known: lenet, vgg"
    assert suggest(3, []) == "none is known"
