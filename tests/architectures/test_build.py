"""Every family: size, names, shapes, options, serialisation, gradients."""

from __future__ import annotations

import json
from typing import Any

import keras
import numpy as np
import pytest

import architectures
from precision.errors import PrecisionError

WEIGHTS = {
    "alexnet": 5_624_842,
    "basic_cnn": 1_199_882,
    "binary_cnn": 61_482,
    "lenet": 369_174,
    "mlp": 101_770,
    "pointwise_lenet": 308_134,
    "resnet": 270_810,
    "two_conv": 105_634,
    "vgg": 4_694_986,
}
NAMES = sorted(WEIGHTS)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    keras.utils.set_random_seed(0)


def small(name: str, **arguments: Any) -> keras.Model:
    depth = {"depth": 8} if name == "resnet" else {}
    return architectures.build(name, **{"width": 0.25, **depth, **arguments})


def images(count: int, shape: tuple[int, int, int]) -> np.ndarray:
    return np.random.default_rng(0).random((count, *shape), dtype=np.float32)


def layer_names(model: keras.Model) -> list[str]:
    return [layer.name for layer in model.layers]


def test_the_families_are_known_by_name() -> None:
    names = architectures.names()  # plug-ins may add to them
    assert names == sorted({*names, *NAMES})


def test_describe_lists_summary_and_options() -> None:
    rows = {row["name"]: row for row in architectures.describe()}
    assert list(rows) == architectures.names()
    assert rows["resnet"]["options"] == {"width": 1.0, "depth": 20}
    for name in NAMES:
        assert rows[name]["summary"].endswith(".")
        assert rows[name]["options"]["width"] == 1.0


@pytest.mark.parametrize("name", NAMES)
def test_weights_and_names(name: str) -> None:
    model = architectures.build(name)
    assert model.count_params() == WEIGHTS[name]
    assert model.name == name
    names = layer_names(model)
    assert len(set(names)) == len(names)
    assert (names[0], names[-1]) == ("input", "logits")
    assert model.layers[-1].activation is keras.activations.linear
    assert layer_names(architectures.build(name, width=0.25)) == names


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("shape", "classes"), [((28, 28, 1), 2), ((32, 32, 3), 17), ((29, 35, 2), 3), ((100, 100, 3), 10)]
)
def test_any_image_and_number_of_classes(name: str, shape: tuple[int, int, int], classes: int) -> None:
    model = small(name, input_shape=shape, classes=classes)
    logits = model(images(2, shape))
    assert logits.shape == (2, classes)
    assert np.isfinite(logits).all()


@pytest.mark.parametrize("name", NAMES)
def test_width_scales_every_layer_but_the_logits(name: str) -> None:
    whole, quarter, least = (small(name, classes=7, width=width).layers for width in (1, 0.25, 1e-9))
    for layer, narrow, narrowest in zip(whole, quarter, least, strict=True):
        size = "filters" if isinstance(layer, keras.layers.Conv2D) else "units"
        if hasattr(layer, size):
            units = getattr(layer, size)
            wanted = (7, 7) if layer.name == "logits" else (max(1, round(units / 4)), 1)
            assert (getattr(narrow, size), getattr(narrowest, size)) == wanted


@pytest.mark.parametrize("name", NAMES)
def test_serialisation(name: str) -> None:
    model = small(name)
    x = images(2, (28, 28, 1))
    for copy in (keras.models.clone_model(model), keras.models.model_from_json(model.to_json())):
        assert layer_names(copy) == layer_names(model)
        copy.set_weights(model.get_weights())
        np.testing.assert_allclose(copy(x), model(x), rtol=1e-5, atol=1e-6)
        assert json.loads(copy.to_json()) == json.loads(model.to_json())


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_receives_a_gradient(name: str) -> None:
    # Plain gradient descent moves exactly the weights whose gradient is not zero, on any backend.
    model = small(name)
    before = [keras.ops.convert_to_numpy(variable).copy() for variable in model.trainable_variables]
    model.compile(keras.optimizers.SGD(1.0), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.train_on_batch(images(16, (28, 28, 1)), np.arange(16) % 10)
    for variable, old in zip(model.trainable_variables, before, strict=True):
        new = keras.ops.convert_to_numpy(variable)
        assert np.isfinite(new).all(), variable.path
        assert not np.array_equal(new, old), variable.path


def test_the_seed_decides_the_weights() -> None:
    first = architectures.build("vgg", width=0.1).get_weights()
    keras.utils.set_random_seed(0)
    again = architectures.build("vgg", width=0.1).get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize(("depth", "trainable"), [(8, 75_002), (20, 269_434)])
def test_depth_of_resnet(depth: int, trainable: int) -> None:
    model = architectures.build("resnet", depth=depth)
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == trainable
    weighted = [x for x in model.layers if isinstance(x, keras.layers.Conv2D | keras.layers.Dense)]
    assert len(weighted) == depth


def test_resnet_for_colour_has_the_size_reported_for_cifar10() -> None:
    model = architectures.build("resnet", input_shape=(32, 32, 3))
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == 269_722


@pytest.mark.parametrize(
    ("name", "arguments", "part"),
    [
        ("lenett", {}, "did you mean 'lenet'"),
        ("lenet", {"widht": 2}, "did you mean 'width'"),
        ("lenet", {"depth": 20}, "no option 'depth'"),
        ("lenet", {"width": 0}, "got 0"),
        ("lenet", {"width": -0.5}, "got -0.5"),
        ("lenet", {"width": float("nan")}, "got nan"),
        ("lenet", {"width": float("inf")}, "got inf"),
        ("lenet", {"width": "1.0"}, "got '1.0'"),
        ("lenet", {"width": True}, "got True"),
        ("resnet", {"depth": 21}, r"6n\+2 .*got 21"),
        ("resnet", {"depth": 2}, "got 2"),
        ("resnet", {"depth": 20.0}, "got 20.0"),
    ],
)
def test_wrong_options(name: str, arguments: dict, part: str) -> None:
    with pytest.raises(PrecisionError, match=part):
        architectures.check(name, arguments)
    with pytest.raises(PrecisionError, match=part):
        architectures.build(name, **arguments)


@pytest.mark.parametrize(
    "shape",
    [
        (27, 28, 1),
        (28, 27, 1),
        (28, 28, 0),
        (28, 28),
        (28.0, 28, 1),
        (28, 28, True),
        28,
        None,
        "abc",
        (0,),
        (),
    ],
)
def test_wrong_input_shape(shape: object) -> None:
    with pytest.raises(PrecisionError, match="input shape"):
        architectures.build("lenet", input_shape=shape)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted({*NAMES} - {"mlp"}))
def test_networks_of_images_refuse_vectors_and_small_images(name: str) -> None:
    with pytest.raises(PrecisionError) as caught:
        architectures.build(name, input_shape=(4,))
    assert str(caught.value) == (
        f"architecture {name!r} takes images, but the data are vectors of 4 numbers; "
        "networks that take vectors: mlp"
    )
    with pytest.raises(PrecisionError, match=r"at least \(28, 28, 1\), but got \(8, 8, 1\); .* or take mlp"):
        architectures.build(name, input_shape=(8, 8, 1))


@pytest.mark.parametrize("shape", [(1,), (4,), (1000,), (1, 1, 1), (8, 8, 3)])
def test_a_perceptron_takes_any_shape_with_the_same_layers(shape: tuple[int, ...]) -> None:
    model = architectures.build("mlp", input_shape=shape, classes=3, width=0.25)
    assert layer_names(model) == layer_names(architectures.build("mlp"))
    size = int(np.prod(shape))
    assert model.count_params() == 32 * (size + 1) + 3 * 33
    x = np.random.default_rng(0).random((2, *shape), dtype=np.float32)
    first, bias, last, offset = model.get_weights()
    by_hand = np.maximum(x.reshape(2, size) @ first + bias, 0) @ last + offset
    np.testing.assert_allclose(model(x), by_hand, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("classes", [1, 0, -3, 2.0, True, "ten", None])
def test_wrong_classes(classes: object) -> None:
    with pytest.raises(PrecisionError, match="at least 2 classes"):
        architectures.build("lenet", classes=classes)  # type: ignore[arg-type]


def test_good_options_pass() -> None:
    architectures.check("lenet")
    architectures.check("resnet", {"width": 2, "depth": 56})
    assert architectures.build("mlp", input_shape=[28, 30, 3]).input_shape == (None, 28, 30, 3)  # type: ignore[arg-type]
