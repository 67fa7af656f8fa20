"""What an optimizer keeps lies in its format, and is what the formulas say, computed by hand in NumPy."""

import keras
import numpy as np
import pytest

from precision.formats import parse
from precision.grid.file.schema import TrainingAxes
from precision.methods.loss_scaling import scale_loss
from precision.quantization import parse_policy
from precision.quantization.updates import keep, nearest, places, round_variables, without_variables

OPTIMIZERS = TrainingAxes.model_fields["optimizer"].annotation.__args__[0].__args__


def network(inputs=6, outputs=5, seed=0):
    """Two dense layers."""
    keras.utils.set_random_seed(seed)
    x = keras.Input((inputs,))
    hidden = keras.layers.Dense(outputs, name="one", bias_initializer="normal")(x)
    return keras.Model(x, keras.layers.Dense(outputs, name="two")(hidden))


def kept(model, policy, optimizer, seed=0, **options):
    found = places(model, model, parse_policy(policy))
    if not options.get("master_copy"):
        round_variables(found)
    return keep(optimizer, model, found, seed, **options)


def gradients(model, seed=0, scale=1.0):
    random = np.random.default_rng(seed)
    return [np.float32(scale * random.standard_normal(v.shape)) for v in model.trainable_variables]


def apply(optimizer, model, values):
    optimizer.apply([keras.ops.convert_to_tensor(g) for g in values], model.trainable_variables)


def states(optimizer):
    return [state for _, state in optimizer.keeper.states]


def fixed(x, wl, fl):
    """Fixed point by hand: ties to even, saturating."""
    step = np.float32(2.0**-fl)
    return np.clip(np.rint(x / step), -(2 ** (wl - 1)), 2 ** (wl - 1) - 1).astype(np.float32) * step


FIXED = {"weights": "fixed(8,6)", "biases": "fixed(9,7)", "optimizer_state": "fixed(10,9)"}


def test_steps_with_momentum_are_those_of_the_formula_bit_for_bit():
    model = network()
    start = [v.numpy() for v in model.trainable_variables]
    optimizer = kept(model, FIXED, keras.optimizers.SGD(0.1, momentum=0.9))
    forms = [(8, 6), (9, 7)] * 2
    w = [fixed(value, *form) for value, form in zip(start, forms, strict=True)]
    m = [np.zeros_like(value) for value in w]
    rate, momentum = np.float32(0.1), np.float32(0.9)
    for step in range(6):
        found = gradients(model, step)
        apply(optimizer, model, found)
        new = [momentum * a - g * rate for a, g in zip(m, found, strict=True)]
        # The variable moves by the momentum as it was computed; what is kept of it is rounded after that.
        w = [fixed(a + b, *form) for a, b, form in zip(w, new, forms, strict=True)]
        m = [fixed(a, 10, 9) for a in new]
        for ours, by_hand in zip([*model.trainable_variables, *states(optimizer)], [*w, *m], strict=True):
            np.testing.assert_array_equal(ours.numpy(), by_hand)
    assert any((value != fixed(first, 8, 6)).any() for value, first in zip(w, start, strict=True))


def test_the_moments_of_adam_are_kept():
    model = network()
    policy = {"optimizer_state": "float(6,5)"}
    optimizer = kept(model, policy, keras.optimizers.Adam(0.01))
    narrow = parse("float(6,5)").quantize
    m = [np.zeros(v.shape, np.float32) for v in model.trainable_variables]
    v = [np.zeros(v.shape, np.float32) for v in model.trainable_variables]
    for step in range(3):
        found = gradients(model, step)
        apply(optimizer, model, found)
        m = [narrow(a + (g - a) * np.float32(1 - 0.9)) for a, g in zip(m, found, strict=True)]
        v = [narrow(a + (g * g - a) * np.float32(1 - 0.999)) for a, g in zip(v, found, strict=True)]
    for i, (a, b) in enumerate(zip(m, v, strict=True)):
        np.testing.assert_array_equal(states(optimizer)[2 * i].numpy(), a)
        np.testing.assert_array_equal(states(optimizer)[2 * i + 1].numpy(), b)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_keeps_variables_and_states_in_their_formats(name):
    model = network()
    policy = {"weights": "float8_e4m3fn", "biases": "fixed(8,6)", "optimizer_state": "float(5,3)"}
    policy["layers"] = {"two": {"weights": "float32", "optimizer_state": "fixed(6,5)"}}
    rate = 300.0 if name == "adadelta" else 0.1  # whose first steps are tiny
    options = {"momentum": 0.5} if name in ("sgd", "rmsprop") else {}
    optimizer = kept(model, policy, type(keras.optimizers.get(name))(rate, **options))
    assert type(optimizer).__name__.lower() == f"keeping{name}"
    assert len(states(optimizer)) >= 4
    before = [v.numpy() for v in model.trainable_variables]
    for step in range(2):
        for reference, state in optimizer.keeper.states:  # those that do not begin with zeros too
            assert state.shape == reference.shape
            f = parse("fixed(6,5)" if reference.path.startswith("two") else "float(5,3)")
            np.testing.assert_array_equal(f.quantize(state.numpy()), state.numpy())
        for variable, text in zip(
            model.trainable_variables,
            ["float8_e4m3fn", "fixed(8,6)", "float32", "fixed(8,6)"],
            strict=True,
        ):
            np.testing.assert_array_equal(parse(text).quantize(variable.numpy()), variable.numpy())
        apply(optimizer, model, gradients(model, step))
    free = before[2]
    assert (parse("float8_e4m3fn").quantize(free) != free).any()  # as the pattern says, it was left alone
    for variable, value in zip(model.trainable_variables, before, strict=True):
        assert (variable.numpy() != value).any()


def wide(value=0.0, n=4096):
    """One layer whose only variable has one value, n times."""
    x = keras.Input((n,))
    start = keras.initializers.Constant(value)
    return keras.Model(x, keras.layers.Dense(1, use_bias=False, kernel_initializer=start)(x))


@pytest.mark.parametrize(
    ("rounding", "options"), [("nearest", {}), ("stochastic", {}), ("nearest", {"master_copy": True})]
)
def test_a_tenth_of_a_step_is_lost_kept_on_average_or_saved_up(rounding, options):
    model, step, steps = wide(), 2.0**-6, 100
    policy = {"weights": "fixed(8,6)", "rounding": rounding}
    optimizer = kept(model, policy, keras.optimizers.SGD(1.0), **options)
    for _ in range(steps):
        apply(optimizer, model, [np.full((4096, 1), -0.1 * step, np.float32)])
    moved = model.trainable_variables[0].numpy() / step
    if options:
        np.testing.assert_allclose(moved, 0.1 * steps, rtol=1e-4)  # float32
        assert (parse("fixed(8,6)").quantize(moved * step) == 10 * step).all()
    elif rounding == "nearest":
        assert (moved == 0).all()
    else:
        np.testing.assert_array_equal(moved, np.rint(moved))
        # Each step moves a value by one with probability 0.1: binomial, of variance 100 * 0.1 * 0.9.
        deviation = np.sqrt(steps * 0.1 * 0.9)
        assert abs(moved.mean() - 10) < 5 * deviation / np.sqrt(moved.size)
        assert abs(moved.std() / deviation - 1) < 0.1


def noisy(seed, steps=3):
    model = network(8, 8)
    policy = {"weights": "fixed(8,6)", "optimizer_state": "fixed(8,7)", "rounding": "stochastic"}
    optimizer = kept(model, policy, keras.optimizers.Adam(0.01), seed)
    for step in range(steps):
        apply(optimizer, model, gradients(model, step))
    return [v.numpy() for v in (*model.trainable_variables, *states(optimizer))]


def test_noise_repeats_by_seed_and_differs_by_variable():
    first, again, other = noisy(3), noisy(3), noisy(4)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(first, other, strict=True))
    # The same update of two variables of one shape, and of two states, is rounded differently.
    model = network(8, 8)
    policy = {"weights": "fixed(8,6)", "optimizer_state": "fixed(8,6)", "rounding": "stochastic"}
    optimizer = kept(model, policy, keras.optimizers.SGD(1.0, momentum=0.5))
    for variable in model.trainable_variables:
        variable.assign(np.zeros(variable.shape))
    apply(optimizer, model, [np.full(v.shape, 2.0**-7, np.float32) for v in model.trainable_variables])
    drawn = [model.trainable_variables[i].numpy() for i in (0, 2)]
    drawn += [states(optimizer)[i].numpy() for i in (0, 2)]
    for i, a in enumerate(drawn):
        assert 8 < (a != 0).sum() < 56  # half of 64
        for b in drawn[:i]:
            assert (a != b).any()


def test_the_range_of_a_scale_follows_the_variable():
    model = network()
    policy = {
        "weights": {"format": "int(8,symmetric=true)", "scaling": "real", "per": "channel"},
        "biases": "fixed(8,auto)",
        "optimizer_state": {"format": "int(8)", "scaling": "pow2", "dynamic": True},
    }
    optimizer = kept(model, policy, keras.optimizers.SGD(0.5, momentum=0.9))
    for step in range(3):
        # A float32 twin from the same values says what was rounded.
        twin = network()
        twin.set_weights(model.get_weights())
        plain = keras.optimizers.SGD(0.5, momentum=0.9)
        plain.build(twin.trainable_variables)
        for state, value in zip(plain.momentums, states(optimizer), strict=True):
            state.assign(value)
        for each, one in ((optimizer, model), (plain, twin)):
            apply(each, one, gradients(model, step))
        for i, (variable, exact) in enumerate(
            zip(model.trainable_variables, twin.trainable_variables, strict=True)
        ):
            x = exact.numpy()
            if i % 2 == 0:
                s = np.abs(x).max(0) * np.float32(1 / 127)
                by_hand = s * np.rint(x * (1 / s).astype(np.float32))
            else:
                s = 2.0 ** np.ceil(np.log2(np.abs(x).max())) / 128
                by_hand = s * np.clip(np.rint(x / s), -128, 127)
            np.testing.assert_allclose(variable.numpy(), by_hand, rtol=1e-6)
        for state, exact in zip(states(optimizer), plain.momentums, strict=True):
            x = exact.numpy()
            s = 2.0 ** np.ceil(np.log2(np.abs(x).max())) / 128
            np.testing.assert_array_equal(state.numpy(), np.float32(s * np.clip(np.rint(x / s), -128, 127)))


def test_rounding_to_nearest_by_hand():
    x = np.float32([[1.0, -3.0], [0.3, 0.5]])
    setting = parse_policy({"weights": {"format": "int(4)", "scaling": "real", "per": "channel"}}).slots
    by_hand = np.stack([np.rint(c / (abs(c).max() / 7)) * (abs(c).max() / 7) for c in x.T], 1)
    np.testing.assert_allclose(nearest(setting["weights"], x), by_hand, rtol=1e-6)
    np.testing.assert_allclose(nearest(setting["weights"], x.T, 0), by_hand.T, rtol=1e-6)
    noise = parse_policy({"weights": {"format": "fixed(4,1)", "rounding": "stochastic"}}).slots
    np.testing.assert_array_equal(nearest(noise["weights"], np.float32([0.3, 9.0])), [0.5, 3.5])


def test_blocks_lie_along_the_axis_that_is_summed_over():
    model = network(64, 3)
    start, found = model.trainable_variables[0].numpy(), gradients(model)
    policy = {"weights": "mxfp4_e2m1", "optimizer_state": "mxfp6_e2m3"}
    optimizer = kept(model, policy, keras.optimizers.SGD(0.1, momentum=0.9))
    kernel = model.trainable_variables[0].numpy()
    apply(optimizer, model, found)
    exact = -np.float32(0.1) * found[0]
    for value, x, text in (
        (kernel, start, "mxfp4_e2m1"),
        (states(optimizer)[0].numpy(), exact, "mxfp6_e2m3"),
        (model.trainable_variables[0].numpy(), kernel + exact, "mxfp4_e2m1"),
    ):
        np.testing.assert_array_equal(parse(text).quantize(x, axis=-2), value)
        assert (parse(text).quantize(x, axis=-1) != value).any()


class Gain(keras.layers.Layer):
    """Multiplies by one number, which is a variable without axes."""

    def build(self, shape):
        self.gain = self.add_weight(shape=(), initializer=keras.initializers.Constant(0.3), name="gain")

    def call(self, x):
        return x * self.gain


@pytest.mark.parametrize("per", ["tensor", "channel"])
def test_a_variable_may_be_a_single_number(per):
    x = keras.Input((4,))
    model = keras.Model(x, Gain(name="gain")(x))
    state = {"format": "fixed(3,auto)", "dynamic": True}
    policy = {"weights": {"format": "fixed(3,auto)", "per": per}, "optimizer_state": state}
    optimizer = kept(model, policy, keras.optimizers.SGD(1.0, momentum=0.5))
    assert float(model.trainable_variables[0]) == 0.25  # 0.3 in steps of 1 / 8
    apply(optimizer, model, [np.float32(-0.3)])
    assert float(model.trainable_variables[0]) == 0.5  # 0.55 in steps of 1 / 4
    assert float(states(optimizer)[0]) == 0.25


def test_an_overflow_under_a_dynamic_loss_scale_leaves_everything_as_it_was():
    model = network()
    policy = {**FIXED, "rounding": "stochastic"}
    optimizer = scale_loss(kept(model, policy, keras.optimizers.SGD(0.1, momentum=0.9)), "dynamic")
    apply(optimizer, model, gradients(model, 0, scale=2.0**15))
    inner = optimizer.inner_optimizer

    def everything():
        return [v.numpy() for v in (*model.trainable_variables, *inner.variables)]

    before = everything()
    for bad in (np.inf, np.nan):
        found = gradients(model, 1)
        found[2][0, 0] = bad
        apply(optimizer, model, found)
    for a, b in zip(before, everything(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert float(optimizer.dynamic_scale) == 2.0**13
    apply(optimizer, model, gradients(model, 1, scale=2.0**13))
    assert any((a != b).any() for a, b in zip(before, everything(), strict=True))
    for variable in model.trainable_variables[::2]:
        np.testing.assert_array_equal(fixed(variable.numpy(), 8, 6), variable.numpy())


@pytest.mark.parametrize("loss_scale", [64, "dynamic"])
def test_a_power_of_two_as_loss_scale_changes_nothing_in_float32(loss_scale):
    trained = []
    for scale in (None, loss_scale):
        model = network()
        optimizer = scale_loss(kept(model, FIXED, keras.optimizers.SGD(0.1, momentum=0.9)), scale)
        factor = {None: 1.0, 64: 64.0, "dynamic": 2.0**15}[scale]
        assert float(optimizer.scale_loss(np.float32(1))) == factor
        for step in range(3):
            apply(optimizer, model, gradients(model, step, factor))
        trained.append([v.numpy() for v in model.trainable_variables])
    for a, b in zip(*trained, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_policy_without_its_variables():
    policy = parse_policy(
        {
            **FIXED,
            "gradients": "float16",
            "layers": {"one": {"biases": "float16", "activations": "fixed(8,6)"}},
        }
    )
    rest = without_variables(policy)
    assert set(rest.slots) == {"optimizer_state", "gradients"}
    assert [(pattern, set(slots)) for pattern, slots in rest.layers] == [("one", {"activations"})]
    assert set(policy.slots) == {"weights", "biases", "optimizer_state", "gradients"}


@pytest.fixture(scope="module")
def quant():
    """The functions of qtorch; compiling them the first time takes half a minute."""
    pytest.importorskip("torch")
    pytest.importorskip("qtorch")
    from precision.errors import PrecisionError
    from precision.formats.families import qtorch_library

    try:
        return qtorch_library.quant()
    except PrecisionError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_low_precision_sgd_of_qtorch(quant, momentum):
    """OptimLP of qtorch takes the same steps from the same gradients.

    Its momentum is a sum of gradients, that of Keras is a sum of updates: minus the learning rate times as
    large. With a learning rate of 2^-3 the two differ by 3 places of the binary point.
    """
    import torch
    from qtorch.optim import OptimLP

    model = network(16, 8)
    policy = {"weights": "fixed(8,6)", "biases": "fixed(8,6)", "optimizer_state": "fixed(12,11)"}
    optimizer = kept(model, policy, keras.optimizers.SGD(0.125, momentum=momentum))
    theirs = [torch.nn.Parameter(torch.tensor(v.numpy())) for v in model.trainable_variables]

    def narrow(wl, fl):
        return lambda x: quant.fixed_point_quantize(x, wl, fl, rounding="nearest")

    sgd = OptimLP(
        torch.optim.SGD(theirs, lr=0.125, momentum=momentum),
        weight_quant=narrow(8, 6),
        grad_quant=narrow(10, 7),
        momentum_quant=narrow(12, 8),
    )
    grid = parse("fixed(10,7)").quantize
    for step in range(5):
        found = gradients(model, step, 0.7)
        apply(optimizer, model, [grid(g) for g in found])
        for parameter, g in zip(theirs, found, strict=True):
            parameter.grad = torch.tensor(g)
        sgd.step()
        for variable, parameter in zip(model.trainable_variables, theirs, strict=True):
            np.testing.assert_array_equal(variable.numpy(), parameter.detach().numpy())
    assert len(states(optimizer)) == (4 if momentum else 0)
