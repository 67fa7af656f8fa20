"""Networks that are written in unusual ways, each against a computation of its own in NumPy.

In fixed point all products and sums are exact in float32, so the bits are the same whatever the order.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest
from keras import layers, ops

from precision.deploy.packed.file import pack_model
from precision.errors import PrecisionError
from precision.measure.counted.packed import weight_memory
from precision.methods.verified import check_trainable
from precision.quantization import apply, parse_policy
from precision.quantization.claims import check
from precision.quantization.layers.flat import flat
from precision.quantization.stored import stored_variables

RNG = np.random.default_rng(7)
POLICY = parse_policy(
    {"weights": "fixed(6,4)", "biases": "fixed(6,4)", "activations": "fixed(6,3)", "inputs": "fixed(6,3)"}
)


def fixed(x, fraction) -> np.ndarray:
    return np.clip(np.rint(np.asarray(x) * 2.0**fraction), -32, 31).astype(np.float32) / 2**fraction


def act(x) -> np.ndarray:
    return fixed(x, 3)


def weights(layer) -> list[np.ndarray]:
    return [fixed(w, 4) for w in layer.get_weights()]


def dense(layer, x) -> np.ndarray:
    kernel, bias = weights(layer)
    return x @ kernel + bias


def relu(x) -> np.ndarray:
    return np.maximum(x, 0)


NETWORKS: dict[str, Callable[[], tuple]] = {}  # each returns a model, shapes or inputs, and a function


def network(make):
    NETWORKS[make.__name__] = make
    return make


@network
def a_layer_called_thrice():
    x, d = keras.Input((4,)), layers.Dense(4)
    return keras.Model(x, d(d(d(x)))), (4,), lambda x: act(dense(d, act(dense(d, act(dense(d, act(x)))))))


@network
def a_layer_that_reads_the_image_once_and_a_feature_once():
    x, d = keras.Input((4,)), layers.Dense(4)
    model = keras.Model(x, layers.Concatenate()([d(d(x)), x]))
    return model, (4,), lambda x: np.concatenate([act(dense(d, act(dense(d, act(x))))), act(x)], -1)


@network
def outputs_that_are_read_inside():
    x, d, e = keras.Input((4,)), layers.Dense(5), layers.Dense(2)
    h = d(x)
    y = layers.ReLU()(h)

    def wanted(x):
        h = act(dense(d, act(x)))
        return [act(relu(h)), h, act(dense(e, act(relu(h))))]

    return keras.Model(x, [y, h, e(y)]), (4,), wanted


@network
def models_in_models():
    i, j, x = (keras.Input((4,)) for _ in range(3))
    d, out = layers.Dense(4, name="d"), layers.Dense(2, name="d")
    inner = keras.Model(i, layers.ReLU()(d(i)) + i)
    middle = keras.Model(j, inner(inner(j)))

    def wanted(x):
        x = act(x)
        for _ in range(2):
            x = act(act(relu(dense(d, x))) + x)
        return act(dense(out, act(x * np.float32(0.5))))

    return keras.Model(x, out(middle(x) * 0.5)), (4,), wanted


@network
def operations_with_tensors_by_name():
    x, a, b = keras.Input((4,)), layers.Dense(5), layers.Dense(5)
    u, v = a(x), b(x)
    model = keras.Model(x, ops.maximum(x1=ops.where(condition=u > 0, x1=v, x2=u), x2=v))

    def wanted(x):
        u, v = act(dense(a, act(x))), act(dense(b, act(x)))
        return act(np.maximum(act(np.where(u > 0, v, u)), v))

    return model, (4,), wanted


@network
def a_mask():
    x, e, d = keras.Input((6,), dtype="int32"), layers.Embedding(20, 4, mask_zero=True), layers.Dense(3)
    tokens = RNG.integers(1, 20, (3, 6)) * np.array([1, 1, 1, 0, 1, 0])

    def wanted(tokens):
        values, kept = act(weights(e)[0][tokens]), (tokens != 0)[..., None].astype(np.float32)
        return act(dense(d, act((values * kept).sum(1) / kept.sum(1))))

    return keras.Model(x, d(layers.GlobalAveragePooling1D()(e(x)))), tokens.astype(np.int32), wanted


@network
def inputs_and_outputs_by_name():
    x, z, d = keras.Input((4,), name="x"), keras.Input((4,), name="z"), layers.Dense(4)
    batch = {name: RNG.normal(0, 1.5, (3, 4)).astype(np.float32) for name in "xz"}

    def wanted(batch):
        x, z = act(batch["x"]), act(batch["z"])
        return {"p": act(dense(d, z)), "s": act(act(dense(d, x)) - z)}

    return keras.Model({"x": x, "z": z}, {"s": d(x) - z, "p": d(z)}), batch, wanted


@network
def slices():
    x, d = keras.Input((6, 4)), layers.Dense(3)
    model = keras.Model(x, d(x[:, 1:4, :3]) - d(x[:, :3, 1:])[:, ::-1])

    def wanted(x):
        x = act(x)
        return act(act(dense(d, x[:, 1:4, :3])) - act(dense(d, x[:, :3, 1:]))[:, ::-1])

    return model, (6, 4), wanted


@network
def an_einsum_of_tensors():
    x, a, b = keras.Input((5, 4)), layers.Dense(3), layers.Dense(3)
    model = keras.Model(x, ops.einsum("bik,bjk->bij", a(x), b(x)))
    return model, (5, 4), lambda x: act(act(dense(a, act(x))) @ act(dense(b, act(x))).swapaxes(1, 2))


@network
def a_tensor_and_itself():
    x, d = keras.Input((4,)), layers.Dense(3)
    y = d(x)

    def wanted(x):
        y = act(dense(d, act(x)))
        return [act(y + y), act(y + y), act(y * y)]

    return keras.Model(x, [layers.Add()([y, y]), y + y, y * y]), (4,), wanted


@network
def reshapes_between_a_layer_and_its_function():
    x, d, c = keras.Input((12,)), layers.Dense(12), layers.Conv1D(3, 2)
    y = c(layers.Reshape((4, 3))(layers.ReLU()(d(x))))

    def wanted(x):
        y = act(relu(dense(d, act(x)))).reshape(-1, 4, 3)
        kernel, bias = weights(c)
        return act(relu(act(sum(y[:, i : 3 + i] @ kernel[i] for i in range(2)) + bias).swapaxes(1, 2)))

    return keras.Model(x, layers.ReLU()(layers.Permute((2, 1))(y))), (12,), wanted


@network
def depthwise_with_a_multiplier():
    x, d = keras.Input((5, 5, 2)), layers.DepthwiseConv2D(3, depth_multiplier=3)

    def wanted(x):
        x, (kernel, bias) = act(x), weights(d)
        out = np.zeros((3, 3, 3, 6), np.float32)
        for c, m, i, j in np.ndindex(2, 3, 3, 3):
            out[..., c * 3 + m] += x[:, i : i + 3, j : j + 3, c] * kernel[i, j, c, m]
        return act(out + bias)

    return keras.Model(x, d(x)), (5, 5, 2), wanted


@network
def a_model_at_every_step():
    i, x, d, e = keras.Input((4,)), keras.Input((5, 4)), layers.Dense(4), layers.Dense(2)
    inner = keras.Model(i, e(layers.ReLU()(d(i))))
    model = keras.Model(x, layers.TimeDistributed(inner)(x))
    return model, (5, 4), lambda x: act(dense(e, relu(dense(d, act(x)))))  # inside nothing but variables


@network
def a_memory_that_lasts():
    x = keras.Input((4, 3), batch_size=3)
    memory = layers.SimpleRNN(3, stateful=True, activation="relu")

    def wanted(x):
        x, h = act(x), np.zeros((3, 3), np.float32)
        kernel, recurrent, bias = (fixed(v.numpy(), 4) for v in memory.trainable_weights)
        for step in range(4):
            h = relu(x[:, step] @ kernel + bias + h @ recurrent)
        return act(h)

    return keras.Model(x, memory(x)), (4, 3), wanted


@network
def pools_that_keep_dimensions():
    x, c = keras.Input((4, 4, 3)), layers.Conv2D(3, 1)
    y = c(x)
    pools = [kind(keepdims=True) for kind in (layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D)]

    def wanted(x):
        kernel, bias = weights(c)
        y = act(act(x) @ kernel[0, 0] + bias)
        return act(act(y.mean((1, 2), keepdims=True)) + act(y.max((1, 2), keepdims=True)))

    return keras.Model(x, pools[0](y) + pools[1](y)), (4, 4, 3), wanted


@network
def a_rescaling_of_one_half():
    x, d = keras.Input((6,)), layers.Dense(3)
    a, b = ops.split(x, 2, axis=-1)
    model = keras.Model(x, d(layers.Rescaling(0.5, 0.25)(a)) + b)
    half = np.float32(0.5)
    return (
        model,
        (6,),
        lambda x: act(act(dense(d, act(act(x)[:, :3] * half + half / 2))) + act(x)[:, 3:]),
    )


class ReLU(layers.Layer):
    """A class of a user's that is called like one of Keras."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 3), name="kernel")

    def call(self, x):
        return ops.matmul(x, self.kernel)


@network
def a_class_with_the_name_of_another():
    x, d, own = keras.Input((4,)), layers.Dense(4), ReLU()
    return keras.Model(x, own(d(x))), (4,), lambda x: act(act(dense(d, act(x))) @ weights(own)[0])


class Reversed(layers.Layer):
    """Computes with the table of another layer."""

    def __init__(self, table, **options) -> None:
        super().__init__(**options)
        self.table = table

    def call(self, x):
        return ops.matmul(x, ops.transpose(self.table.embeddings))

    def get_config(self):
        return {**super().get_config(), "table": keras.saving.serialize_keras_object(self.table)}

    @classmethod
    def from_config(cls, config):
        table = keras.saving.deserialize_keras_object(config.pop("table"))
        return cls(table, **config)


def tied():
    x, e = keras.Input((4,), dtype="int32"), layers.Embedding(9, 5, name="table")
    return keras.Model(x, Reversed(e, name="reversed")(e(x))), e


@network
def a_weight_of_two_layers():
    model, e = tied()
    tokens = RNG.integers(0, 9, (3, 4)).astype(np.int32)
    return model, tokens, lambda tokens: act(act(weights(e)[0][tokens]) @ weights(e)[0].T)


@network
def a_table_that_is_read_both_ways():
    x, e, d = keras.Input((4,), dtype="int32"), layers.ReversibleEmbedding(9, 5), layers.Dense(5)
    tokens = RNG.integers(0, 9, (3, 4)).astype(np.int32)

    def wanted(tokens):
        table = weights(e)[0]
        return act(act(dense(d, act(table[tokens]))) @ table.T)

    return keras.Model(x, e(d(e(x)), reverse=True)), tokens, wanted


@network
def names_that_come_twice():
    i, x, d, e = (
        keras.Input((4,)),
        keras.Input((4,)),
        layers.Dense(4, name="add"),
        layers.Dense(4, name="add"),
    )
    inner = keras.Model(i, d(i) + i, name="add_1")

    def wanted(x):
        x = act(x)
        return act(act(dense(e, act(act(act(dense(d, x)) + x) + x))) + x)

    return keras.Model(x, e(inner(x) + x) + x), (4,), wanted


@pytest.mark.parametrize("name", NETWORKS)
def test_the_bits_are_those_of_a_computation_by_hand(name):
    model, given, wanted = NETWORKS[name]()
    model.set_weights([RNG.normal(0, 0.5, w.shape).astype(w.dtype) for w in model.get_weights()])
    batch = RNG.normal(0, 1.5, (3, *given)).astype(np.float32) if isinstance(given, tuple) else given
    quantised = apply(model, POLICY)
    found, expected = (keras.tree.flatten(result) for result in (quantised(batch), wanted(batch)))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert all(len(np.unique(one)) > 2 for one in found)
    if not isinstance(batch, dict):
        check(apply(model, POLICY), batch)


def test_a_shared_weight_is_stored_once_and_in_one_way():
    model, _ = tied()
    assert [item.name for item in stored_variables(model, POLICY)] == ["table/embeddings"]
    assert weight_memory(model, POLICY).parameters == model.count_params() == 45
    assert list(pack_model(model, POLICY).entries) == ["table/embeddings"]
    two = parse_policy({"weights": "fixed(6,4)", "layers": {"reversed": {"weights": "fixed(4,2)"}}})
    assert weight_memory(model, two).parameters == 90  # the network computes with both
    with pytest.raises(PrecisionError, match="table/embeddings: layers that share this variable round it in"):
        pack_model(model, two)


def test_a_copy_whose_layers_would_no_longer_share_a_weight_is_not_trained():
    model, _ = tied()
    with pytest.raises(PrecisionError, match="'table' and 'reversed' share the variable 'table/embeddings'"):
        check_trainable(model)
    check_trainable(model, flat(model))  # no copy
    x = keras.Input((4,), dtype="int32")
    nested = keras.Model(x, model(x))
    with pytest.raises(PrecisionError, match="layers in it share a variable, which training a copy"):
        check_trainable(nested, flat(nested))
    twice, _, _ = a_layer_called_thrice()
    check_trainable(twice)
    check_trainable(keras.Model(x, twice(ops.cast(x, "float32"))), None)
