"""Calibration against layers that are run by hand."""

import keras
import numpy as np
import pytest

from precision.data import Dataset, as_float
from precision.errors import PrecisionError
from precision.quantization.calibration import calibrator as calibration
from precision.quantization.calibration.calibrator import Calibrator, calibration_images, observe
from precision.quantization.calibration.observers import choose_range


def dataset(train=60, classes=3, spoilt_test=True):
    """Images whose every pixel is the number of the image, in a random order of unequal classes."""
    numbers = np.arange(train, dtype=np.float32)
    labels = np.sort(np.random.default_rng(0).choice(classes, train, p=np.arange(classes, 0, -1) / 6))
    test = np.full((4, 3, 3, 1), np.nan if spoilt_test else 0, np.float32)
    return Dataset(
        "numbers",
        "Numbers",
        np.broadcast_to(numbers[:, None, None, None], (train, 3, 3, 1)),
        labels.astype(np.int64),
        test,
        np.zeros(4, np.int64),
        tuple("abc"),
    )


def network(seed=0):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((8, 8, 2), name="images")
    x = keras.layers.Conv2D(4, 3, name="conv", bias_initializer="normal")(inputs)
    x = keras.layers.ReLU(name="relu")(x)
    x = keras.layers.MaxPooling2D(name="pool")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    return keras.Model(inputs, keras.layers.Dense(5, name="dense")(x))


def images(n=20, seed=1):
    return np.random.default_rng(seed).normal(0, 1, (n, 8, 8, 2)).astype(np.float32)


def by_hand(model, x):
    """What each layer of ``network`` returns, one layer after another."""
    found = {}
    for layer in model.layers[1:]:
        x = layer(x)
        found[layer.name] = x.numpy()
    return found


def expanded(seen, channel):
    return np.repeat(seen.points[channel].astype(np.float64), seen.counts[channel])


@pytest.mark.parametrize("channels", [False, True])
def test_what_is_observed_is_what_the_layers_return(channels):
    model, x = network(), images(23)
    outputs = {**by_hand(model, x), "images": x}
    wanted = {(name, "activations"): channels for name in ("conv", "relu", "pool", "dense")}
    seen = observe(model, {**wanted, ("conv", "inputs"): channels}, x, batch=5)
    assert len(seen) == 5
    for (name, slot), found in seen.items():
        values = outputs["images" if slot == "inputs" else name]
        values = values.reshape(-1, values.shape[-1] if channels else 1)
        assert found.low == pytest.approx(values.min(axis=0), rel=1e-5)
        assert found.high == pytest.approx(values.max(axis=0), rel=1e-5)
        assert found.counts.sum(axis=1).tolist() == [len(values)] * values.shape[1]
        assert found.points.shape == (values.shape[1], 2049)
        for channel, column in enumerate(values.T):
            # A value lies within its bin, so in ascending order the samples differ by less than a bin.
            distance = np.abs(expanded(found, channel) - np.sort(column)).max()
            assert distance <= 1.01 * np.ptp(column) / 2048
            assert found.counts[channel, found.points[channel] == 0].sum() == (column == 0).sum()


def test_a_channel_has_the_statistics_of_its_own_values():
    model, x = network(), images()
    values = by_hand(model, x)["conv"]
    whole, parts = (observe(model, {("conv", "activations"): c}, x)["conv", "activations"] for c in (0, 1))
    assert whole.low.shape == (1,) and parts.low.shape == (4,)
    assert whole.low == parts.low.min() and whole.high == parts.high.max()
    assert parts.high == pytest.approx(values.max(axis=(0, 1, 2)), rel=1e-5)
    assert len(set(parts.high.tolist())) == 4


def test_the_averages_follow_their_recursion():
    model, x = network(), images(24)
    seen = observe(model, {("conv", "inputs"): True}, x, batch=6)["conv", "inputs"]
    low, high = x[:6].min(axis=(0, 1, 2)), x[:6].max(axis=(0, 1, 2))
    for start in (6, 12, 18):
        part = x[start : start + 6]
        low = low + 0.1 * (part.min(axis=(0, 1, 2)) - low)
        high = high + 0.1 * (part.max(axis=(0, 1, 2)) - high)
    assert seen.average_low == pytest.approx(low, rel=1e-6)
    assert seen.average_high == pytest.approx(high, rel=1e-6)
    assert (seen.average_high < seen.high).all()


def test_batches_are_shared_out_and_of_one_size():
    sizes = []

    class Network:
        def predict_on_batch(self, x):
            sizes.append(len(x))
            return x * 2

    x = images(23)
    parts = [outputs[0] for outputs in calibration._run(Network(), x, 9)]
    assert sizes == [8, 8, 8] and [len(p) for p in parts] == [8, 8, 7]
    assert np.array_equal(np.concatenate(parts), 2 * x)


def test_a_model_is_traced_once(monkeypatch):
    traces = []
    model = network()
    call = type(model.layers[1]).call
    monkeypatch.setattr(
        type(model.layers[1]), "call", lambda self, x: traces.append(x.shape) or call(self, x)
    )
    observe(model, {("conv", "activations"): False}, images(23), batch=9)
    assert traces == [(8, 8, 8, 2)]


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_the_batch_size_changes_averages_alone(batch):
    model, x = network(), images()
    one, other = (
        observe(model, {("conv", "inputs"): False}, x, batch=b)["conv", "inputs"] for b in (20, batch)
    )
    assert (one.low, one.high) == (other.low, other.high)
    assert np.array_equal(one.counts, other.counts) and np.allclose(one.points, other.points, rtol=1e-6)


def test_observing_again_gives_the_same_bits():
    model, x = network(), images(50)
    wanted = {("conv", "activations"): True, ("dense", "activations"): False}
    for key, seen in observe(model, wanted, x).items():
        again = observe(model, wanted, x)[key]
        for name, value in vars(seen).items():
            assert np.array_equal(value, getattr(again, name)), (key, name)


def test_one_image_is_enough():
    model = network()
    seen = observe(model, {("dense", "activations"): True, ("relu", "activations"): False}, images(1))
    outputs = by_hand(model, images(1))
    dense = seen["dense", "activations"]
    assert dense.low.tolist() == dense.high.tolist() == dense.average_low.tolist()
    assert dense.low == pytest.approx(outputs["dense"][0], rel=1e-5)
    assert dense.counts.sum(axis=1).tolist() == [1] * 5
    assert seen["relu", "activations"].low == 0


def test_a_channel_that_is_always_zero_has_no_range():
    model = network()
    kernel, bias = model.get_layer("conv").get_weights()
    kernel[..., 2] = 0
    bias[2] = 0
    model.get_layer("conv").set_weights([kernel, bias])
    seen = observe(model, {("relu", "activations"): True}, images())["relu", "activations"]
    assert seen.low[2] == seen.high[2] == 0 and (seen.high[[0, 1, 3]] > 0).all()
    for observer in ("minmax", "moving_average", "percentile"):
        low, high = choose_range(seen, observer, symmetric=False, rounds=lambda *received: None)
        assert low[2] == high[2] == 0


def test_uint8_images_are_scaled_as_everywhere():
    model = network()
    x = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 2)).astype(np.uint8)
    seen = observe(model, {("conv", "inputs"): False}, x)["conv", "inputs"]
    assert seen.high == np.float32(x.max()) / np.float32(255)


def test_a_sequential_model_can_be_observed():
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(2, name="a"), keras.layers.ReLU(name="b")]
    )
    x = np.random.default_rng(0).normal(0, 1, (9, 3)).astype(np.float32)
    seen = observe(model, {("a", "activations"): True, ("a", "inputs"): True}, x)
    expected = x @ model.layers[0].get_weights()[0]
    assert seen["a", "activations"].high == pytest.approx(expected.max(axis=0), rel=1e-5)
    assert seen["a", "inputs"].high.tolist() == x.max(axis=0).tolist()


def test_several_tensors_of_one_layer_count_as_one():
    inputs = keras.Input((3,))
    shared = keras.layers.ReLU(name="shared")
    double = keras.layers.Rescaling(2.0, name="double")(inputs)
    both = keras.layers.Add(name="sum")([shared(inputs), shared(double)])
    model = keras.Model(inputs, keras.layers.Add(name="twice")([inputs, inputs, both]))
    shared(keras.layers.Rescaling(1000.0)(inputs))  # in no model
    x = np.random.default_rng(0).normal(0, 1, (9, 3)).astype(np.float32)
    seen = observe(model, {("shared", "activations"): True, ("twice", "inputs"): False}, x)
    each = seen["shared", "activations"]
    assert each.high.tolist() == (2 * x).max(axis=0).tolist() and each.low.tolist() == [0, 0, 0]
    assert each.counts.sum(axis=1).tolist() == [18] * 3
    assert seen["twice", "inputs"].counts.sum() == 54  # of the images alone


def test_statistics_are_kept(monkeypatch):
    asked = []
    original = calibration.observe

    def spy(model, wanted, *received, **options):
        asked.append((set(wanted), options["values"]))
        return original(model, wanted, *received, **options)

    monkeypatch.setattr(calibration, "observe", spy)
    conv, pool = ("conv", "activations"), ("pool", "activations")
    calibrator = Calibrator(network(), images())
    first = calibrator.statistics({conv: False}, values=False)
    assert first[conv].points.size == 0
    with pytest.raises(PrecisionError, match="observer mse needs the values"):
        choose_range(first[conv], "mse", symmetric=True, rounds=lambda *received: None)
    full = calibrator.statistics({conv: False, pool: True})
    assert full[conv].points.size and full[conv].high == first[conv].high
    assert calibrator.statistics({conv: False}, values=False)[conv] is full[conv]
    assert calibrator.statistics({pool: True, conv: True})[pool] is full[pool]
    assert asked == [({conv}, False), ({conv, pool}, True), ({conv}, True)]
    assert calibrator.statistics({}) == {}


@pytest.mark.parametrize(("value", "text"), [(np.nan, "NaN"), (np.inf, "infinity")])
def test_what_is_not_finite_is_named(value, text):
    model = network()
    x = images(12)
    x[7, 0, 0, 0] = value
    location = r"^the inputs of layer 'conv' in batch 2 of the calibration images: .* got " + text
    with pytest.raises(PrecisionError, match=location):
        observe(model, {("conv", "inputs"): False}, x, batch=6)
    kernel, bias = model.get_layer("dense").get_weights()
    kernel[0, 0] = np.nan
    model.get_layer("dense").set_weights([kernel, bias])
    with pytest.raises(PrecisionError, match=r"^the activations of layer 'dense' in batch 1 .* got NaN"):
        observe(model, {("conv", "activations"): True, ("dense", "activations"): True}, images())


def test_mistakes_are_named():
    model, x = network(), images(2)
    with pytest.raises(PrecisionError, match=r"no layer 'convv'; did you mean 'conv'\?"):
        observe(model, {("convv", "activations"): False}, x)
    with pytest.raises(
        PrecisionError, match="observes activations and inputs, but got 'weights' of layer 'conv'"
    ):
        observe(model, {("conv", "weights"): False}, x)
    with pytest.raises(
        PrecisionError, match="layer 'images' reads no input of the network, so that it has no inputs"
    ):
        observe(model, {("images", "inputs"): False}, x)
    with pytest.raises(PrecisionError, match="at least one image, but got none"):
        observe(model, {("conv", "activations"): False}, x[:0])
    two = [keras.Input((n,)) for n in (2, 3)]
    joined = keras.Model(two, keras.layers.Concatenate(name="join")(two))
    with pytest.raises(PrecisionError, match="must have one input, but it has 2"):
        observe(joined, {("join", "activations"): False}, x)
    one = keras.Input((4,))
    shared = keras.layers.Flatten(name="shared")
    parts = [keras.layers.Dense(n)(one) for n in (2, 3)]
    joined = keras.Model(one, keras.layers.Concatenate()([shared(part) for part in parts]))
    with pytest.raises(
        PrecisionError, match="the activations of layer 'shared' have 2, 3; take one scale per tensor"
    ):
        observe(joined, {("shared", "activations"): True}, x.reshape(64, 4))


def test_calibration_images_are_training_images_in_their_shares():
    numbers = dataset()
    shares = np.bincount(numbers.y_train)
    for count in (3, 10, 30, 60):
        drawn = calibration_images(numbers, count, seed=5)
        assert drawn.shape == (count, 3, 3, 1) and drawn.dtype == np.float32
        chosen = drawn[:, 0, 0, 0].astype(int)  # the images of the test set are NaN
        assert len(set(chosen)) == count
        found = np.bincount(numbers.y_train[chosen], minlength=3)
        assert (np.abs(found - shares * count / 60) <= 1).all()
    labels = numbers.y_train[chosen]
    assert (np.diff(labels) < 0).any()  # not class after class, as they lie in the data set


def test_calibration_images_depend_on_the_seed_alone():
    numbers = dataset()
    one, same, other = (calibration_images(numbers, 20, seed) for seed in (0, 0, 1))
    assert np.array_equal(one, same) and not np.array_equal(one, other)
    # Another test set changes nothing.
    assert np.array_equal(one, calibration_images(dataset(spoilt_test=False), 20, 0))


def test_uint8_training_images_become_float():
    pixels = np.random.default_rng(0).integers(0, 256, (6, 2, 2, 1)).astype(np.uint8)
    labels = np.array([0, 1] * 3)
    data = Dataset("x", "X", pixels, labels, pixels[:2], labels[:2], ("a", "b"))
    drawn = calibration_images(data, 6, 0)
    assert drawn.dtype == np.float32
    assert np.array_equal(np.sort(drawn.ravel()), np.sort(as_float(pixels).ravel()))


@pytest.mark.parametrize("count", [61, 0, -1])
def test_more_images_than_there_are_cannot_be_drawn(count):
    with pytest.raises(
        PrecisionError, match=f"between 1 and all 60 training images of Numbers, but got {count}"
    ):
        calibration_images(dataset(), count, 0)
