import keras
import pytest
from keras import layers

from precision.errors import PrecisionError
from precision.exploration.audit.model import described, seen
from precision.quantization import parse_policy


def saved(folder, *last, begin=(), shape=(4,)):
    model = keras.Sequential([keras.Input(shape), *begin, *last])
    model.save(folder / "m.keras")
    return folder / "m.keras"


@pytest.mark.parametrize(
    ("last", "end"),
    [
        (lambda: layers.Dense(3, "softmax"), "3 probabilities (softmax)"),
        (lambda: layers.Dense(1, "sigmoid"), "one probability (sigmoid): two classes"),
        (lambda: layers.Dense(3), "3 logits"),
        (lambda: layers.Dense(3, "sigmoid"), "3 probabilities (each for itself)"),
    ],
)
def test_the_end_is_told_by_what_it_says(last, end, tmp_path):
    assert seen(saved(tmp_path, last())).facts == {"input": "vectors of 4", "end": end}


@pytest.mark.parametrize(
    ("begin", "shape", "unscaled"),
    [
        (lambda: layers.Rescaling(1 / 255), (4, 4, 1), True),
        (lambda: layers.Rescaling(1 / 127.5, offset=-1), (4, 4, 1), True),
        (lambda: layers.Rescaling(2.0, offset=-1), (4, 4, 1), False),  # of numbers in 0..1
        (lambda: layers.Normalization(mean=100.0, variance=900.0), (4, 4, 1), True),
        (lambda: layers.Normalization(mean=0.5, variance=0.1), (4, 4, 1), False),
        (lambda: layers.Normalization(mean=0.5, variance=0.1), (4,), True),
        (lambda: layers.Activation("relu"), (4, 4, 1), False),
    ],
)
def test_a_layer_that_scales_is_noticed(begin, shape, unscaled, tmp_path):
    path = saved(tmp_path, layers.Flatten(), layers.Dense(3), begin=[begin()], shape=shape)
    found = seen(path)
    assert found.unscaled is unscaled and found.input_shape == shape


def test_images_of_any_size(tmp_path):
    path = saved(tmp_path, layers.GlobalMaxPooling2D(), layers.Dense(3), shape=(None, None, 3))
    assert seen(path).facts["input"] == "images of any size with 3 channels"


def test_what_is_found_in_a_network():
    x = inputs = keras.Input((6, 6, 1))
    x = layers.BatchNormalization(name="first")(x)
    x = layers.Conv2D(2, 3, use_bias=False, name="conv")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.SeparableConv2D(2, 3, name="separable")(x)
    model = keras.Model(inputs, layers.Dense(3, name="logits")(layers.Flatten(name="flat")(x)))
    found = described(model, parse_policy("fixed(8,4)"))
    assert found["layers"].startswith("6: 2 BatchNormalization, 1 Conv2D")
    trained = 2 + 18 + 4 + (18 + 4 + 2) + (8 * 3 + 3)
    assert found["parameters"] == f"{trained}, and 6 statistics"
    assert found["batch normalisations"].startswith("1 folded into the layers before them; first stays, as ")
    assert found["reached by no policy"] == (
        "separable: what its depthwise convolution hands to the pointwise one; "
        "first: the variables moving_mean and moving_variance, not trainable"
    )


def test_what_is_no_network_is_one_sentence(tmp_path):
    inputs = [keras.Input((4,)), keras.Input((4,))]
    keras.Model(inputs, layers.Dense(2)(layers.Add()(inputs))).save(tmp_path / "two.keras")
    with pytest.raises(PrecisionError, match="a network has one input of a known shape, but this has 2"):
        seen(tmp_path / "two.keras")
