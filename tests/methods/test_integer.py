"""Integer inference as a trial: against the emulation, and against loops through the table."""

import numpy as np
import pytest
from tiny import registered

from precision.errors import PrecisionError
from precision.grid import expand, load_grid
from precision.methods.integer import check
from precision.methods.run import run_trial
from precision.methods.workbench import Workbench
from precision.quantization import Policy, parse_policy
from precision.registry import METHODS
from precision.trial import Choice, Training, Trial

WEIGHTS = {"format": "int(8,symmetric=true)", "scaling": "real", "per": "channel"}
UNSIGNED = {"format": "uint(8)", "scaling": "real"}
INTEGERS = {"weights": WEIGHTS, "activations": {"format": "int(8)", "scaling": "real"}, "inputs": UNSIGNED}
TEST = 60


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A workbench with the trained baseline."""
    path = tmp_path_factory.mktemp("weights")
    with registered():
        found = Workbench(None, lambda trial_id: path / f"{trial_id}.weights.h5")
        METHODS["float32"](trial("fixed(8,4)").baseline, found)
        yield found


def trial(policy, method="integer", **options):
    return Trial(
        Choice("digits", {"train_size": 400, "test_size": TEST}),
        Choice("tiny"),
        Choice(method, options),
        parse_policy(policy).to_json(),
        Training(epochs=2, learning_rate=0.01),
        0,
    )


def test_in_fixed_point_it_is_ptq_to_the_last_bit(bench):
    policy = {**dict.fromkeys(["weights", "activations", "inputs"], "fixed(8,4)"), "biases": "fixed(16,8)"}
    emulated = run_trial(trial({**policy, "fold_batch_norm": True}, "ptq"), bench)
    integers = run_trial(trial(policy, watch=True), bench)
    assert (integers.predictions == emulated.predictions).all() and len(set(emulated.predictions)) > 3
    assert integers.metrics["loss"] == emulated.metrics["loss"]
    assert integers.metrics["weight_bytes"] == emulated.metrics["weight_bytes"]
    assert integers.metrics["register_bits"] > 8 and integers.metrics["overflowed_images"] == 0
    assert "conv: " in integers.facts["registers"] and "peak" in integers.facts["registers"]


def table_of(path):
    """Write a table without any symmetry, in which nothing times nothing is something; return it."""
    a, w = np.meshgrid(np.arange(256), np.arange(256), indexing="ij")
    table = (a * w + (a >> 3) * 5 + (w & 12) + 3).astype(np.uint16)
    table.tofile(path)
    return table.astype(np.int64)


def test_every_product_goes_through_the_table(bench, tmp_path):
    """The network once more, from its codes, in loops over the definition of a convolution."""
    table = table_of(tmp_path / "odd.bin")
    policy = {**INTEGERS, "multipliers": f'table("{tmp_path / "odd.bin"}")'}
    asked = trial(policy)
    network = METHODS["integer"](asked, bench).predictor.integers
    images = np.asarray(bench.dataset(asked.dataset).x_test[:3], np.float32) / 255
    conv, dense = network.linear
    step = network.steps[0].computes.grid.scale
    codes = np.clip(np.rint(images / step), 0, 255).astype(int)

    def product(a, w):
        return np.sign(w + 0.5).astype(int) * np.sign(a + 0.5).astype(int) * table[abs(a), abs(w)]

    out = (images.shape[1] - 3) // 2 + 1
    sums = np.zeros((3, out, out, 4), int)
    for n, y, x, f in np.ndindex(sums.shape):
        sums[n, y, x, f] = round(conv.bias[f] / (step * conv.scales[f])) + sum(
            product(codes[n, 2 * y + i, 2 * x + j, 0], conv.w[i, j, 0, f]) for i, j in np.ndindex(3, 3)
        )
    real = np.maximum(sums * step * conv.scales, 0)
    grid, last = (s.computes.grid for s in network.steps[1:] if hasattr(s.computes, "grid"))
    hidden = np.clip(np.rint(real / grid.scale), -128, 127).astype(int).reshape(3, -1)
    products = product(hidden[:, :, None], dense.w[None])
    logits = products.sum(axis=1) + np.rint(dense.bias / (grid.scale * dense.scales))
    expected = np.clip(np.rint(logits * grid.scale * dense.scales / last.scale), -128, 127) * last.scale
    np.testing.assert_allclose(network(images), expected, rtol=1e-6)
    exact = METHODS["integer"](trial(INTEGERS), bench).predictor.integers
    assert (exact(images) != network(images)).any()


def test_a_narrow_register_is_counted_by_image(bench):
    narrow = run_trial(trial({**INTEGERS, "accumulators": "register(16)"}), bench)
    saturated = run_trial(trial({**INTEGERS, "accumulators": "register(16,overflow=saturate)"}), bench)
    again = run_trial(trial({**INTEGERS, "accumulators": "register(16)"}, engine="naive"), bench)
    assert 0 < narrow.metrics["overflowed_images"] <= TEST  # and not those of the warm-up too
    assert narrow.metrics["loss"] == again.metrics["loss"] != saturated.metrics["loss"]
    assert "images overflowed" in narrow.facts["registers"]
    wide = run_trial(
        trial({**INTEGERS, "accumulators": f"register({narrow.metrics['register_bits']})"}), bench
    )
    assert wide.metrics["overflowed_images"] == 0
    assert wide.metrics["loss"] == run_trial(trial(INTEGERS), bench).metrics["loss"]


def test_layers_may_differ(bench):
    policy = {**INTEGERS, "multipliers": "drum(8,4)", "layers": {"conv": {"multipliers": "exact"}}}
    conv, dense = METHODS["integer"](trial(policy), bench).predictor.integers.linear
    assert conv.products.of(np.array(101), np.array(99)) == 101 * 99
    assert dense.products.of(np.array(101), np.array(99)) != 101 * 99


POLICY = {
    **INTEGERS,
    "multipliers": "drum(8, 4)",
    "accumulators": "register(20, overflow=saturate)",
    "layers": {"logits": {"multipliers": "exact", "accumulators": "float32"}},
}


def test_a_policy_says_it_all_again():
    policy = parse_policy(POLICY)
    data = policy.to_json()
    assert data["multipliers"] == "drum(8,4)" and data["accumulators"] == "register(20,overflow=saturate)"
    assert Policy.from_json(data) == policy
    assert set(policy.in_integers) == {"multipliers", "accumulators"}
    assert policy.emulated() == parse_policy(INTEGERS)
    assert parse_policy({**INTEGERS, "multipliers": "exact"}).to_json() == parse_policy(INTEGERS).to_json()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"multipliers": "drum(8,9)"}, "drum"),
        ({"multipliers": "dum(8,4)"}, "drum"),
        ({"multipliers": 8}, "a multiplier is a text"),
        ({"accumulators": "register(7)"}, "8 to 64 bits"),
        ({"accumulators": "register(16,overflow=clip)"}, "overflow"),
        ({"accumulators": "register 16"}, "malformed register"),
        ({"accumulators": "fixed(16,8)"}, "register\\(16\\)"),
        ({"weights": {**WEIGHTS, "format": "int(9)"}}, "at most 8"),
        ({"weights": {"format": "int(8)", "scaling": "real", "zero_point": True}}, "zero point"),
        ({"weights": {**WEIGHTS, "rounding": "stochastic"}}, "to nearest"),
        ({"activations": "float16"}, "no integer times a step"),
        ({"activations": "float32"}, "needs activations"),
        ({"activations": {"format": "int(8)", "scaling": "real", "per": "channel"}}, "per: tensor"),
        ({"inputs": "fixed(8,7,overflow=wrap)"}, "register that may wrap"),
        ({"gradients": "float16"}, "gradients"),
        ({"exempt": "last"}, "exempt"),
    ],
)
def test_a_policy_that_leaves_something_without_integers_is_refused(change, words):
    with pytest.raises(PrecisionError, match=words):
        check(parse_policy({**INTEGERS, **change}), {})


def grid(tmp_path, text):
    path = tmp_path / "grid.yaml"
    path.write_text(
        "name: g\ndatasets: [digits]\narchitectures: [mlp]\nmethods: [integer, ptq]\npolicies:\n"
        f"  float32: float32\n{text}"
    )
    return load_grid(path)


def test_other_methods_refuse_multipliers_and_registers(tmp_path):
    slots = "".join(f"{slot}: 'fixed(8,4)', " for slot in ("weights", "activations", "inputs"))
    text = f"  odd: {{{slots} multipliers: 'udm(8)'}}\n"
    with pytest.raises(PrecisionError, match=r"grid.yaml:7: .*'ptq'.*udm\(8\).*use method integer"):
        expand(*grid(tmp_path, text))


def test_a_folder_of_tables_is_an_axis(tmp_path):
    (tmp_path / "some").mkdir()
    for name in ("b", "a"):
        table_of(tmp_path / "some" / f"{name}.bin")
    text = f"""  int: {{weights: 'fixed(8,6)', multipliers: {{each: 'tables("{tmp_path / "some"}")'}}}}\n"""
    parsed, _ = grid(tmp_path, text)
    assert list(parsed.policies) == ["float32", "int multipliers=a", "int multipliers=b"]
    assert "a.bin" in parsed.policies["int multipliers=a"].in_integers["multipliers"].text
    with pytest.raises(PrecisionError, match=r"grid.yaml:7: .*nowhere"):
        grid(tmp_path, "  int: {multipliers: {each: 'tables(nowhere)'}}\n")


def test_a_retrained_network_is_evaluated_in_integers(bench):
    policy = {**INTEGERS, "multipliers": "truncated(8,8)"}
    before = run_trial(trial(policy), bench)
    after = run_trial(trial(policy, epochs=3, learning_rate=0.005, gradient="slopes"), bench)
    assert after.metrics["epochs"] == 3 and len(after.history) == 3
    assert after.metrics["loss"] < before.metrics["loss"]
    assert after.metrics["multiplier_bias"] < 0 and "weights_digest" in after.facts
