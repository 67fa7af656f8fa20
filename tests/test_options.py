"""What an option may be is read from annotations, and a value against its rule is one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from annotated_types import Predicate
from pydantic import AfterValidator, Field

from precision.errors import LocatedError, PrecisionError
from precision.options import Flag, Options, Rule, location_of, options_of, read, read_option

if TYPE_CHECKING:
    import keras

Width = Annotated[float, Field(gt=0), Rule("a finite number above 0")]
Odd = Annotated[int, Field(ge=1), Predicate(lambda value: value % 2 == 1), Rule("an odd number")]
Word = Annotated[Literal["thick", "thin"], Field()]


def _worded(value: int, info: Any) -> int:
    if value == 13:
        raise PrecisionError(f"{location_of(info)} brings bad luck")
    return value


def network(
    shape: keras.Tensor,
    *,
    width: Width = 1.0,
    depth: Odd | None = None,
    sure: Flag = False,
    word: Word = "thin",
    least: Annotated[int, Field(ge=3)] = 3,
    lucky: Annotated[int, AfterValidator(_worded)] = 7,
    loss: Annotated[Width | Literal["auto"] | None, Rule("auto, null or a number above 0")] = None,
    free: int = 3,
    unresolved: keras.Model = None,
) -> keras.Model: ...


def test_values_come_in_their_types():
    given = {"width": 2, "depth": 3, "loss": None, "free": "anything", "unresolved": 3}
    found = read(options_of(network), given, "network 'it'")
    assert found == {"width": 2.0, "depth": 3, "loss": None, "free": "anything", "unresolved": 3}
    assert type(found["width"]) is float and type(found["depth"]) is int
    assert read(options_of(network), {}, "network 'it'") == {}
    assert options_of(network) is options_of(network)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"wdith": 1}, "network 'it' has no option 'wdith'; did you mean 'width'?"),
        *(
            ({"width": value}, f"network 'it' needs 'width' to be a finite number above 0, but got {value!r}")
            for value in (0, -1, True, "1", None, [1], float("inf"), float("nan"))
        ),
        *(
            ({"depth": value}, f"network 'it' needs 'depth' to be an odd number, but got {value!r}")
            for value in (2, 0, 1.0, None, "1")
        ),
        ({"sure": 1}, "network 'it' needs 'sure' to be true or false, but got 1"),
        ({"word": "thn"}, "unknown word 'thn'; did you mean 'thin'?"),
        ({"least": 2}, "network 'it' needs 'least' to be greater than or equal to 3, but got 2"),
        ({"lucky": 13}, "option 'lucky' of network 'it' brings bad luck"),
        *(
            (
                {"loss": value},
                f"network 'it' needs 'loss' to be auto, null or a number above 0, but got {value}",
            )
            for value in (0, True, ["auto"])
        ),
    ],
)
def test_a_refusal_names_rule_value_and_place(given, text):
    with pytest.raises(LocatedError) as caught:
        read(options_of(network), given, "network 'it'")
    assert str(caught.value).removeprefix("network 'it' ") == text.removeprefix("network 'it' ")
    assert caught.value.location == tuple(given)


def test_the_first_mistake_is_named_and_a_missing_option_last():
    def things(*, must: Flag, size: Width = 1.0): ...

    model = options_of(things)
    with pytest.raises(LocatedError, match="'size' to be"):
        read(model, {"size": 0, "mst": 1}, "thing 'it'")
    with pytest.raises(LocatedError, match="no option 'mst'; did you mean 'must'"):
        read(model, {"mst": 1, "size": 0}, "thing 'it'")
    with pytest.raises(PrecisionError, match="thing 'it' needs the option 'must'"):
        read(model, {"size": 1}, "thing 'it'")


def test_one_option_is_read_whatever_the_others_are():
    class Some(Options):
        must: Flag
        size: Width = 1.0

    assert read_option(Some, "size", 2) == 2.0
    with pytest.raises(PrecisionError, match=r"^size must be a finite number above 0, but got 'x'$"):
        read_option(Some, "size", "x")


def test_an_option_may_have_any_name():
    def things(*, copy: Flag = False, json: Width = 1.0, model_dump: Flag = True): ...

    given = {"copy": True, "json": 2.0, "model_dump": False}
    assert read(options_of(things), given, "it") == given


def test_the_last_owner_of_an_option_says_what_it_may_be():
    def one(*, size: Width = 1.0, sure: Flag = False): ...

    def other(*, size: Odd = 1): ...

    model = options_of(one, other)
    assert read(model, {"size": 3, "sure": True}, "it") == {"size": 3, "sure": True}
    with pytest.raises(LocatedError, match=r"to be an odd number, but got 0\.5"):
        read(model, {"size": 0.5}, "it")
    assert model.model_json_schema()["properties"]["size"]["minimum"] == 1
