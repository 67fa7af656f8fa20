"""Training and evaluation against what can be computed by hand."""

import keras
import numpy as np
import pytest

from precision.data import Augmentation, load
from precision.grid.file.schema import TrainingAxes
from precision.methods.evaluation import evaluate
from precision.methods.training import Batches, prepare, train
from precision.trial import Training


class Fixed:
    """A stand-in for a predictor that returns given logits, batch by batch."""

    def __init__(self, logits):
        self._logits = logits

    def logits(self, images):
        rows = images[:, 0, 0, 0].astype(int)
        return self._logits[rows]


def numbered(n):
    return np.arange(n, dtype=np.float32).reshape(n, 1, 1, 1) * np.ones((1, 2, 2, 1), np.float32)


def test_accuracy_loss_and_predictions():
    logits = np.array([[2.0, 1.0], [0.0, 3.0], [5.0, 5.0], [np.nan, 9.0]], np.float32)
    tested = evaluate(Fixed(logits), numbered(4), np.array([0, 0, 0, 1]))
    np.testing.assert_array_equal(tested.predictions, [0, 1, 0, 255])
    assert tested.predictions.dtype == np.uint8
    assert tested.accuracy == 0.5  # a logit that is no number is no prediction
    assert np.isnan(tested.loss)
    tested = evaluate(Fixed(logits[:3]), numbered(3), np.array([0, 0, 0]))
    by_hand = [np.log(1 + np.exp(-1.0)), 3 + np.log(1 + np.exp(-3.0)), np.log(2.0)]
    assert tested.loss == pytest.approx(np.mean(by_hand), rel=1e-12)


def test_evaluation_in_parts_covers_every_image():
    n = 1234  # two whole batches and a rest
    logits = np.eye(7, dtype=np.float32)[np.arange(n) % 7]
    tested = evaluate(Fixed(logits), numbered(n), np.arange(n) % 7)
    assert tested.accuracy == 1
    np.testing.assert_array_equal(tested.predictions, np.arange(n) % 7)


def test_an_epoch_holds_every_image_once_in_an_order_of_its_own():
    images, labels = numbered(50), np.arange(50)
    orders = []
    for seed in (1, 1, 2):
        for epoch in (1, 2):
            batches = Batches(images, labels, 16, seed, epoch)
            parts = [batches[i] for i in range(len(batches))]
            assert [len(x) for x, _ in parts] == [16, 16, 16, 2]
            for x, y in parts:
                np.testing.assert_array_equal(x[:, 0, 0, 0], y)
            orders.append(np.concatenate([y for _, y in parts]))
    assert all(sorted(order) == list(range(50)) for order in orders)
    np.testing.assert_array_equal(orders[0], orders[2])
    np.testing.assert_array_equal(orders[1], orders[3])
    assert (orders[0] != orders[1]).any()
    assert (orders[0] != orders[4]).any()


def test_augmentation_changes_images_and_repeats_by_seed():
    digits = load("digits", train_size=50)
    move = Augmentation.parse({"rotation": 20, "shift": 0.1})
    first, again, plain = (
        Batches(digits.x_train, digits.y_train, 50, 3, 1, a)[0][0] for a in (move, move, None)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != plain).mean() > 0.1


@pytest.fixture(scope="module")
def digits():
    return load("digits", train_size=300, test_size=100)


def linear(digits):
    keras.utils.set_random_seed(0)
    inputs = keras.Input(digits.input_shape)
    return keras.Model(inputs, keras.layers.Dense(10)(keras.layers.Flatten()(inputs)))


def test_plain_gradient_descent_is_what_the_formula_says(digits):
    """One epoch of SGD on a linear network, repeated in NumPy."""
    model = linear(digits)
    w, b = (v.astype(np.float64) for v in model.get_weights())
    train(
        model,
        digits,
        Training(epochs=1, batch_size=64, optimizer="sgd", learning_rate=0.1),
        5,
        None,
        lambda row: None,
    )
    batches = Batches(digits.x_train, digits.y_train, 64, 5, 1)
    for x, y in (batches[i] for i in range(len(batches))):
        x = x.reshape(len(x), -1).astype(np.float64)
        z = x @ w + b
        p = np.exp(z - z.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        p[np.arange(len(y)), y] -= 1
        w, b = w - 0.1 * x.T @ p / len(y), b - 0.1 * p.mean(0)
    np.testing.assert_allclose(model.get_weights()[0], w, atol=1e-5)
    np.testing.assert_allclose(model.get_weights()[1], b, atol=1e-5)


def test_what_is_fed_is_what_keras_would_feed(digits):
    """The batches in their order, the last one short; and an epoch of them ends with the same bits."""
    batches = Batches(digits.x_train[:150], digits.y_train[:150], 64, 5, 1)
    fed = list(batches.fed())
    assert [len(x) for x, _ in fed] == [64, 64, 22]
    for (x, y), (images, labels) in zip(fed, (batches[i] for i in range(3)), strict=True):
        assert np.array_equal(x, images) and np.array_equal(y, labels)
        assert (x.dtype, y.dtype) == (images.dtype, labels.dtype)
    weights = []
    for feed in (batches.fed(), batches):
        model = linear(digits)
        prepare(model, Training(batch_size=64), 3)
        model.fit(feed, shuffle=False, verbose=0)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        assert np.array_equal(one, other)


def test_history_and_report(digits):
    seen = []
    trained = train(linear(digits), digits, Training(epochs=3, batch_size=64), 0, None, seen.append)
    assert trained.history == seen
    assert [row["epoch"] for row in seen] == [1, 2, 3]
    assert seen[-1]["loss"] < seen[0]["loss"]
    assert trained.seconds == sum(row["seconds"] for row in seen)
    assert trained.diverged_in is None


def test_divergence_ends_the_training(digits):
    trained = train(
        linear(digits),
        digits,
        Training(epochs=9, optimizer="sgd", learning_rate=1e38),
        0,
        None,
        lambda r: None,
    )
    assert trained.diverged_in == len(trained.history) < 9


def test_a_step_is_traced_once(digits):
    """However many epochs there are; a trace of a large network under a policy takes many seconds."""
    traces = []

    class Counted(keras.Model):
        def train_step(self, data):
            traces.append(data)
            return super().train_step(data)

    keras.utils.set_random_seed(0)
    inputs = keras.Input(digits.input_shape)
    model = Counted(inputs, keras.layers.Dense(10)(keras.layers.Flatten()(inputs)))
    train(model, digits, Training(epochs=2, batch_size=64), 0, None, lambda row: None)
    assert len(traces) == 1


@pytest.mark.parametrize("name", TrainingAxes.model_fields["optimizer"].annotation.__args__[0].__args__)
def test_every_optimizer_of_the_schema_exists(name, digits):
    model = linear(digits)
    prepare(model, Training(optimizer=name, learning_rate=0.5, weight_decay=0.01), steps=10)
    assert type(model.optimizer).__name__.lower() == name
    assert float(model.optimizer.learning_rate) == 0.5
    prepare(model, Training(optimizer=name), steps=10)
    assert float(model.optimizer.learning_rate) == float(type(model.optimizer)().learning_rate)


def test_the_cosine_schedule_falls_to_zero(digits):
    model = linear(digits)
    prepare(model, Training(optimizer="sgd", learning_rate=0.2, schedule="cosine", momentum=0.9), steps=10)
    rate = model.optimizer._learning_rate
    assert [float(rate(step)) for step in (0, 5, 10)] == pytest.approx([0.2, 0.1, 0.0])
    assert model.optimizer.momentum == 0.9
