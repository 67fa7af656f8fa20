"""The wrapper against the same computation written out by hand."""

import keras
import numpy as np
import pytest
from keras import layers

import architectures
from architectures.given import FILES
from precision.errors import PrecisionError
from precision.formats import parse
from precision.formats.engine.program import in_graph
from precision.quantization import apply, assign, parse_policy, structure
from precision.quantization.layers.flat import address
from precision.quantization.layers.graph import Graph
from precision.quantization.layers.points import rounds_output
from precision.quantization.wrapper import Quantized

POLICY = {
    "weights": "fixed(8,6)",
    "biases": "fixed(6,4)",
    "activations": "fixed(8,4)",
    "inputs": "fixed(4,3)",
}


def images(n: int = 6) -> np.ndarray:
    return np.random.default_rng(0).random((n, 28, 28, 1)).astype(np.float32)


@pytest.fixture
def small():
    keras.utils.set_random_seed(3)
    x = inputs = keras.Input((28, 28, 1))
    x = layers.Conv2D(4, 3, strides=2, activation="relu", name="conv")(x)
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(8, activation="relu", bias_initializer="normal", name="dense")(x)
    return keras.Model(inputs, layers.Dense(3, bias_initializer="normal", name="logits")(x))


def by_hand(model, x):
    w, b, a, i = (parse(POLICY[s]).quantize for s in ("weights", "biases", "activations", "inputs"))
    values = {layer.name: [np.asarray(v) for v in layer.get_weights()] for layer in model.layers}
    kernel, bias = values["conv"]
    x = a(keras.ops.relu(keras.ops.conv(i(x), w(kernel), strides=2) + b(bias)))
    x = keras.ops.reshape(keras.ops.max_pool(x, 2), (len(x), -1))
    x = a(keras.ops.relu(keras.ops.matmul(x, w(values["dense"][0])) + b(values["dense"][1])))
    return a(keras.ops.matmul(x, w(values["logits"][0])) + b(values["logits"][1]))


def test_computes_what_the_hand_computes(small):
    quantised = apply(small, parse_policy(POLICY))
    quantised.compile(jit_compile=False)
    np.testing.assert_array_equal(quantised.predict_on_batch(images()), by_hand(small, images()))


def test_the_source_is_not_changed(small):
    before, output = small.get_weights(), small.predict_on_batch(images())
    quantised = apply(small, parse_policy(POLICY))
    quantised.layers[-1].layer.bias.assign_add(np.ones(3))
    for a, b in zip(before, small.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(output, small.predict_on_batch(images()))


def test_without_rounding_nothing_is_wrapped(small):
    same = apply(small, parse_policy("float32"))
    assert not any(isinstance(layer, Quantized) for layer in same.layers)
    np.testing.assert_array_equal(same.predict_on_batch(images()), small.predict_on_batch(images()))


def test_layer_overrides(small):
    quantised = apply(small, parse_policy({"weights": "fixed(8,6)", "layers": {"logits": "float32"}}))
    wrapped = {layer.name for layer in quantised.layers if isinstance(layer, Quantized)}
    assert wrapped == {"conv", "dense"}
    with pytest.raises(PrecisionError, match="matches no layer"):
        apply(small, parse_policy({"layers": {"dens": "float16"}}))


def test_gradients_pass_where_nothing_was_clipped_and_updates_reach_the_unrounded_weights(small):
    import tensorflow as tf

    quantised = apply(small, parse_policy({"weights": "fixed(4,3)"}))
    kernel = quantised.get_layer("logits").layer.kernel
    value = kernel.numpy()
    value[0] = [0.3, 5.0, -5.0]  # inside, above and below the range [-1, 0.875]
    kernel.assign(value)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(quantised(images()))
    gradient = tape.gradient(loss, kernel.value).numpy()
    hidden = keras.Model(quantised.input, quantised.get_layer("dense").output)(images())
    np.testing.assert_allclose(gradient[1], np.repeat(hidden.numpy()[:, 1].sum(), 3), rtol=1e-5)
    assert gradient[0, 0] == pytest.approx(hidden.numpy()[:, 0].sum(), rel=1e-5)
    assert gradient[0, 1] == gradient[0, 2] == 0


@pytest.mark.parametrize("name", sorted(set(architectures.names()) - set(FILES)))
def test_every_architecture_learns_under_a_policy(name):
    keras.utils.set_random_seed(0)
    model = architectures.build(name, width=0.25, **({"depth": 8} if name == "resnet" else {}))
    quantised = apply(model, parse_policy(POLICY))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    quantised.compile("sgd", loss=loss, jit_compile=False)
    quantised.optimizer.build(quantised.trainable_variables)  # or TensorFlow traces the step twice
    before = [v.numpy() for v in quantised.trainable_variables]
    quantised.train_on_batch(images(8), np.arange(8) % 10)
    after = [v.numpy() for v in quantised.trainable_variables]
    assert len(before) == len(model.trainable_variables)
    assert any((a != b).any() for a, b in zip(before, after, strict=True))
    logits = quantised.predict_on_batch(images(8))
    np.testing.assert_array_equal(logits, parse("fixed(8,4)").quantize(logits))


def test_batch_normalisation_keeps_its_statistics_up_to_date():
    x = inputs = keras.Input((5,))
    x = layers.BatchNormalization(momentum=0.5, name="norm")(x)
    model = keras.Model(inputs, x)
    quantised = apply(model, parse_policy({"weights": "fixed(8,4)", "activations": "fixed(8,4)"}))
    batch = np.random.default_rng(0).normal(3, 2, (64, 5)).astype(np.float32)
    quantised(batch, training=True)
    norm = quantised.get_layer("norm").layer
    np.testing.assert_allclose(norm.moving_mean, 0.5 * batch.mean(0), rtol=1e-5)
    np.testing.assert_allclose(norm.moving_variance, 0.5 + 0.5 * batch.var(0), rtol=1e-4)
    quantised(batch, training=False)
    np.testing.assert_allclose(norm.moving_mean, 0.5 * batch.mean(0), rtol=1e-5)


def test_one_step_is_one_point_of_rounding():
    model = architectures.build("resnet", depth=8)
    graph = Graph(model)
    rounded = {layer.name for layer in model.layers if rounds_output(graph, layer)}
    kinds = {type(layer).__name__ for layer in model.layers if layer.name in rounded}
    # Convolutions pass on to batch normalisation, and that to an activation or an addition.
    assert "Conv2D" not in kinds
    assert {"Activation", "Dense", "GlobalAveragePooling2D"} <= kinds
    assert [layer.name for layer in model.layers if graph.reads_images(layer)] == [model.layers[1].name]


def test_a_change_of_policy_is_no_new_trace(small):
    fixed, half = parse_policy("fixed(8,4)"), parse_policy("float16")
    assert (
        structure(small, fixed)
        == structure(small, half)
        != structure(small, parse_policy({"weights": "float16"}))
    )
    quantised = apply(small, fixed)
    quantised.compile(jit_compile=False)
    quantised.predict_on_batch(images())
    model_traces = quantised.predict_function.experimental_get_tracing_count()
    kernel_traces = in_graph(parse("fixed(8,4)").program()[0]).traces()
    assign(quantised, small, half)
    changed = quantised.predict_on_batch(images())
    assert quantised.predict_function.experimental_get_tracing_count() == model_traces
    assert in_graph(parse("fixed(8,4)").program()[0]).traces() == kernel_traces
    fresh = apply(small, half)
    fresh.compile(jit_compile=False)
    np.testing.assert_array_equal(changed, fresh.predict_on_batch(images()))


def test_where_gradients_are_rounded_is_part_of_the_structure():
    inputs = keras.Input((8, 8, 1))
    x = layers.Add(name="sum")([layers.Conv2D(1, 3, padding="same", name="conv")(inputs), inputs])
    model = keras.Model(inputs, layers.Dense(3, name="logits")(layers.Flatten(name="flatten")(x)))
    for slots, alike in (
        ({"weights": "float16"}, True),
        ({"weights": "float16", "gradients": "float16"}, False),
    ):
        plain, exempt = parse_policy(slots), parse_policy({**slots, "exempt": ["additions"]})
        points = [
            {
                layer.name: set(layer.quantizers)
                for layer in apply(model, policy).layers
                if layer.name == "conv"
            }
            for policy in (plain, exempt)
        ]
        assert (points[0] == points[1]) is alike
        assert (structure(model, plain) == structure(model, exempt)) is alike


def test_stochastic_rounding_differs_by_step_and_site_and_repeats_by_seed():
    inputs = keras.Input((1000,))
    model = keras.Model(
        inputs, [layers.Rescaling(1.0, name="a")(inputs), layers.Rescaling(1.0, name="b")(inputs)]
    )
    policy = parse_policy({"activations": "fixed(8,0)", "rounding": "stochastic"})
    x = np.full((1, 1000), 0.5, np.float32)

    def draws(seed):
        quantised = apply(model, policy, seed)
        quantised.compile(jit_compile=False)
        return [np.concatenate(quantised.predict_on_batch(x)) for _ in range(2)]

    first, second = draws(1)
    assert 0.4 < first.mean() < 0.6
    assert 0.4 < (first[0] != first[1]).mean() < 0.6, "two sites share their noise"
    assert 0.4 < (first != second).mean() < 0.6, "two steps share their noise"
    again, _ = draws(1)
    np.testing.assert_array_equal(first, again)
    assert (draws(2)[0] != first).mean() > 0.4


def test_saving_and_loading(small, tmp_path):
    quantised = apply(small, parse_policy(POLICY))
    quantised.compile(jit_compile=False)
    quantised.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False)
    loaded.compile(jit_compile=False)
    np.testing.assert_array_equal(loaded.predict_on_batch(images()), quantised.predict_on_batch(images()))


def test_what_cannot_be_wrapped_is_refused():
    class Own(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(PrecisionError, match="functional and sequential"):
        apply(Own(), parse_policy("float16"))


class Doubled(keras.layers.Layer):
    """A user's layer with one inside, which says neither its arguments nor its shape."""

    def __init__(self, units, **options):
        super().__init__(**options)
        self.dense = layers.Dense(units)

    def build(self, shape):
        self.dense.build(shape)

    def call(self, x):
        return 2 * self.dense(x)


class Described(Doubled):
    def get_config(self):
        return {**super().get_config(), "units": self.dense.units, "name": self.name}


def attention(inputs):
    return layers.MultiHeadAttention(1, 2, name="attention")(inputs, inputs)


def test_a_layer_that_cannot_be_copied_is_named_with_what_to_do():
    class Given(layers.Layer):
        def __init__(self, table, **options):
            super().__init__(**options)
            self.table = table

        def call(self, x):
            return x * self.table()

    inputs = keras.Input((4, 3))
    model = keras.Model(inputs, Given(lambda: 2.0, name="own")(inputs))
    with pytest.raises(PrecisionError, match=r"layer 'own' \(Given\) cannot be copied.*get_config"):
        apply(model, parse_policy("fixed(8,4)"))


def test_a_layer_need_not_tell_its_name():
    inputs = keras.Input((4, 3))
    model = keras.Model(inputs, Doubled(2, name="own")(inputs))
    rounded = apply(model, parse_policy("fixed(8,4)"))
    assert {address(layer).split("/")[0] for layer in rounded.layers[1:]} == {"own"}


def test_layers_of_users_and_recurrent_ones_are_rounded():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4, 3))
    x = layers.Bidirectional(layers.GRU(3, return_sequences=True), name="both")(
        Described(3, name="own")(inputs)
    )
    model = keras.Model(inputs, layers.LSTM(2, name="last")(attention(x)))
    policy = {
        "weights": {"format": "int(8)", "scaling": "real", "per": "channel"},
        "activations": {"format": "int(8)", "scaling": "real", "dynamic": True},
        "layers": {"attention": "float32"},
    }
    x = np.random.default_rng(0).random((5, 4, 3)).astype(np.float32)
    plain, rounded = (m.predict_on_batch(x) for m in (model, apply(model, parse_policy(policy))))
    assert 0 < np.abs(rounded - plain).max() < 0.03 * np.abs(plain).max()


class Penalised(keras.layers.Layer):
    """Adds a loss of its own."""

    def call(self, x):
        self.add_loss(0.3 * keras.ops.mean(keras.ops.square(x)))
        return x * 1.0


def test_losses_that_layers_add_are_part_of_a_training():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((3,))
    x = layers.Dense(4, kernel_regularizer="l2", name="dense")(Penalised(name="own")(inputs))
    model = keras.Model(inputs, layers.Dense(2, activity_regularizer="l1", name="last")(x))
    exact = apply(model, parse_policy(dict.fromkeys(("weights", "activations"), "float(8,22)")))
    x = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    told = []
    for each in (model, exact):
        each(x, training=True)
        told.append([float(loss) for loss in each.losses])
    assert len(told[0]) == 3 and min(told[0]) > 0
    np.testing.assert_allclose(sorted(told[0]), sorted(told[1]), rtol=1e-6)


def test_a_layer_that_changes_a_rounded_weight_itself_is_not_trained():
    """Keras stores the normalised kernel; here that of one step was computed with, unrounded, and lost."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((3,))
    norm = layers.SpectralNormalization(layers.Dense(2), name="norm")
    model, x = keras.Model(inputs, norm(inputs)), np.ones((4, 3), np.float32)
    with pytest.raises(PrecisionError, match=r"^layer 'norm' .* itself changes its variable 'kernel' in tra"):
        apply(model, parse_policy({"weights": "fixed(8,4)"}))(x, training=True)
    apply(model, parse_policy({"weights": "fixed(8,4)"}))(x, training=False)
    left = apply(model, parse_policy({"activations": "fixed(8,4)"}))
    model(x, training=True), left(x, training=True)
    for a, b in zip(left.layers[-1].layer.get_weights(), norm.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
