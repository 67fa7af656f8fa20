"""Every option has a rule, and a broken rule is one sentence with the location and the received value."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import numpy as np
import pytest

from precision.data import Dataset, check, load
from precision.data.options import parse
from precision.errors import PrecisionError
from precision.options import Flag, Rule
from precision.registry import DATASETS

if TYPE_CHECKING:
    from decimal import Decimal


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mnist", {}),
        ("mnist", {"train_size": 60000, "test_size": 1, "stratified": False}),
        ("mnist", {"train_size": None, "classes": None, "resize": None, "augment": None}),
        ("mnist", {"classes": [3, "8"], "resize": [14, 20]}),
        ("cifar10", {"classes": ["cat", "dog", 0]}),
        ("mnist", {"augment": {"rotation": 10, "shift": 0.1, "zoom": 0.0}}),
        ("npz", {"path": "not/there.npz", "test_fraction": 0.5}),
        (
            "csv",
            {"path": "a.csv", "test_path": "b.csv", "label_column": -1, "shape": [2, 3, 3], "header": True},
        ),
        ("image_folder", {"path": "a", "color": "gray", "resize": [8, 8]}),
    ],
)
def test_accepts(name: str, options: dict[str, object]) -> None:
    check(name, options)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mnits", {}, "unknown dataset 'mnits'; did you mean 'mnist'?"),
        ("mnist", {"trainsize": 5}, "dataset 'mnist' has no option 'trainsize'; did you mean 'train_size'?"),
        ("mnist", {"path": "x"}, "dataset 'mnist' has no option 'path'"),
        ("npz", {}, "dataset 'npz' needs the option 'path'"),
        ("npz", {"path": None}, "option 'path' of dataset 'npz' must be a path, but got None"),
        ("npz", {"path": 3}, "must be a path, but got 3"),
        ("npz", {"path": ""}, "must be a path, but got ''"),
        (
            "npz",
            {"path": "~nobody-here/x"},
            "the home of an unknown user is meant, but got '~nobody-here/x'",
        ),
        (
            "npz",
            {"path": "x", "test_fraction": 1.0},
            "must be a number above 0 and below 1, such as 0.2, but got 1.0",
        ),
        ("npz", {"path": "x", "test_fraction": True}, "but got True"),
        ("npz", {"path": "x", "test_fraction": float("nan")}, "but got nan"),
        (
            "mnist",
            {"train_size": 0},
            "option 'train_size' of dataset 'mnist' must be a positive integer, but got 0",
        ),
        ("mnist", {"train_size": True}, "positive integer, but got True"),
        ("mnist", {"test_size": 10.0}, "positive integer, but got 10.0"),
        ("mnist", {"test_size": "10"}, "positive integer, but got '10'"),
        ("mnist", {"train_size": 60001}, "asks for 60001 images, but there are only 60000"),
        ("digits", {"test_size": 361}, "asks for 361 images, but there are only 360"),
        ("mnist", {"stratified": 1}, "must be true or false, but got 1"),
        ("mnist", {"classes": 3}, "must be a list of at least 2 class labels or names, but got 3"),
        ("mnist", {"classes": [3]}, "must be a list of at least 2 class labels or names, but got [3]"),
        ("mnist", {"classes": [3, True]}, "must be a list of at least 2 class labels or names"),
        ("mnist", {"classes": "38"}, "must be a list of at least 2 class labels or names, but got '38'"),
        ("mnist", {"classes": [3, 3]}, "must name each class once, but got [3, 3]"),
        ("mnist", {"classes": [3, "3"]}, "must name each class once, but got '3' twice"),
        ("mnist", {"classes": [3, 10]}, "names the class 10, which is unknown"),
        (
            "cifar10",
            {"classes": ["cat", "dg"]},
            "names the class 'dg', which is unknown; did you mean 'dog'?",
        ),
        ("cifar10", {"classes": [0, 10]}, "must hold labels in 0..9, but got 10"),
        ("mnist", {"resize": 14}, "must be [height, width], two positive integers, but got 14"),
        ("mnist", {"resize": [14]}, "two positive integers, but got [14]"),
        ("mnist", {"resize": [14, 0]}, "two positive integers, but got [14, 0]"),
        ("mnist", {"resize": [14, True]}, "two positive integers, but got [14, True]"),
        ("csv", {"path": "x", "shape": [2, 2, 2, 2]}, "must be [height, width] or [height, width, channels]"),
        ("iris", {"resize": [28, 28]}, "is for images, but Iris has vectors of 4 numbers; leave it out"),
        ("wine", {"augment": {"zoom": 0.1}}, "option 'augment' of dataset 'wine' is for images"),
        (
            "iris",
            {"scale": "standart"},
            "option 'scale' of dataset 'iris' must be 'standard', 'minmax', 'none', '0..1'",
        ),
        (
            "csv",
            {"path": "x", "label_column": 1.5},
            "must be the name or the index of a column, or a list of them, but got 1.5",
        ),
        ("csv", {"path": "x", "header": "yes"}, "must be true or false, but got 'yes'"),
        ("image_folder", {"path": "x", "color": "grey"}, "must be 'rgb' or 'gray', but got 'grey'"),
        ("image_folder", {"path": "x", "color": None}, "must be 'rgb' or 'gray', but got None"),
        (
            "mnist",
            {"augment": 3},
            "option 'augment' of dataset 'mnist' must map rotation, shift or zoom to numbers",
        ),
        ("mnist", {"augment": {"rotate": 3}}, "has no key 'rotate'; did you mean 'rotation'?"),
        ("mnist", {"augment": {"rotation": 181}}, "rotation must be a number in 0..180, but got 181"),
        ("mnist", {"augment": {"shift": -0.1}}, "shift must be a number in 0..0.5, but got -0.1"),
        ("mnist", {"augment": {"zoom": True}}, "zoom must be a number in 0..0.9, but got True"),
    ],
)
def test_refuses(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(PrecisionError) as caught:
        check(name, options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_a_source_does_by_itself_is_not_done_again() -> None:
    @DATASETS.register("loud")
    def loud(data_dir: object, *, scale: Annotated[int, Rule("an integer")] = 1) -> Dataset:
        """A dataset with an option of its own that has the name of a common one."""
        x, y = np.full((4, 3), scale, np.float32), np.arange(4) % 2
        return Dataset("loud", "Loud", x, y, x, y, ("a", "b"), scaling=f"times {scale}")

    try:
        own, common = parse("loud", {"scale": 3, "train_size": 2})
        assert (own, common.scale, common.train_size) == ({"scale": 3}, None, 2)
        dataset = load("loud", scale=3)
        assert dataset.x_train.tolist() == [[3, 3, 3]] * 4 and dataset.reading == "times 3"
        with pytest.raises(PrecisionError, match="must be an integer, but got 'minmax'"):
            parse("loud", {"scale": "minmax"})
    finally:
        DATASETS.remove("loud")


@pytest.fixture
def plugin() -> Iterator[None]:
    @DATASETS.register("plugin")
    def plugin(data_dir: object, *, mirrored: Flag = True, free: int = 3) -> None:
        """A dataset of someone else."""

    @DATASETS.register("opaque")
    def opaque(data_dir: object, *, level: "Decimal") -> None:
        """A dataset with an annotation that only a type checker resolves."""

    yield
    del DATASETS._factories["plugin"], DATASETS._factories["opaque"]


@pytest.mark.usefixtures("plugin")
def test_a_plugin_states_its_rules_in_annotations() -> None:
    own, common = parse("plugin", {"mirrored": False, "free": "anything", "train_size": 1})
    assert own == {"mirrored": False, "free": "anything"}
    assert common.train_size == 1
    with pytest.raises(PrecisionError, match="option 'mirrored' of dataset 'plugin' must be true or false"):
        check("plugin", {"mirrored": "no"})
    check("opaque", {"level": 3})
