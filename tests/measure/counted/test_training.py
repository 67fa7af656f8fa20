"""What training keeps beside the network, against the variables of the optimizers of Keras."""

import keras
import pytest

import architectures
from precision.measure.counted.training import TrainingMemory, states_of, training_memory
from precision.methods.training import optimizer_of
from precision.quantization import apply, parse_policy
from precision.trial import Training

OPTIMIZERS = {
    "sgd": (Training(optimizer="sgd"), 0),
    "momentum": (Training(optimizer="sgd", momentum=0.9), 1),
    "rmsprop": (Training(optimizer="rmsprop"), 1),
    "rmsprop with momentum": (Training(optimizer="rmsprop", momentum=0.5), 2),
    "adagrad": (Training(optimizer="adagrad"), 1),
    "adadelta": (Training(optimizer="adadelta"), 2),
    "adam": (Training(optimizer="adam", schedule="cosine"), 2),
    "adamw": (Training(optimizer="adamw"), 2),
    "nadam": (Training(optimizer="nadam"), 2),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_state_is_that_of_the_optimizer_of_keras(name):
    training, states = OPTIMIZERS[name]
    model, optimizer = architectures.build("mlp", width=0.1), optimizer_of(training, steps=10)
    assert states_of(optimizer) == states and not optimizer.built
    kept = training_memory(model, model, parse_policy("float32"), states)
    optimizer.build(model.trainable_variables)
    state = sum(4 * keras.ops.size(v) for v in optimizer.variables if len(v.shape))  # not the count of steps
    values = sum(keras.ops.size(v) for v in model.trainable_variables)
    assert kept == TrainingMemory(gradients=4 * values, optimizer=state)


def test_formats_of_gradients_and_state():
    """Of 784 x 13 + 13 and of 13 x 10 + 10 values."""
    model = architectures.build("mlp", width=0.1)
    policy = parse_policy(
        {
            "gradients": {"format": "float8_e5m2"},
            "optimizer_state": {"format": "bfloat16"},
            "layers": {"logits": {"gradients": "float16"}},
        }
    )
    first, last = 785 * 13, 14 * 10
    assert training_memory(model, model, policy, 2) == (first + 2 * last, 2 * 2 * (first + last))


def test_a_frozen_layer_has_neither():
    model = architectures.build("mlp", width=0.1)
    model.get_layer("dense1").trainable = False
    assert training_memory(model, model, parse_policy("float32"), 1) == (4 * 140, 4 * 140)


def test_a_scale_that_is_trained_has_its_own_type():
    from precision.quantization.scales.base import Backward

    model = architectures.build("mlp", width=0.1)
    weights = {"format": "int(8,symmetric=true)", "scaling": "real"}
    policy = parse_policy({"weights": weights, "gradients": "float16"})
    trained = apply(model, policy, backward=Backward(learn=True, follow=True))
    values, scales = 785 * 13 + 14 * 10, 2
    assert training_memory(model, trained, policy, 0) == (2 * values + 4 * scales, 0)


def test_half_precision_has_half_of_both():
    layer = keras.layers.Dense(3, dtype="float16")
    model = keras.Sequential([keras.Input((4,), dtype="float16"), layer])
    assert training_memory(model, model, parse_policy("float32"), 2) == (2 * 15, 2 * 2 * 15)
