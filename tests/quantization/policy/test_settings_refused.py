"""Every contradiction in a policy is one sentence that names its location, and in a grid its line."""

import pytest

from precision.errors import LocatedError, PrecisionError
from precision.grid import load_grid
from precision.quantization import parse_policy
from precision.quantization.policy.settings import parse_setting

HERE = ("activations",)
INT8 = {"format": "int(8)", "scaling": "real"}


def refused(message, read, *arguments):
    """Return the location of a refusal, whose text has the parts of ``message`` in their order."""
    with pytest.raises(LocatedError) as caught:
        read(*arguments)
    text = str(caught.value)
    start = 0
    for part in message.split(" ... "):
        assert part in text[start:], text
        start = text.index(part, start) + len(part)
    assert text[0].islower() or text[0] == "'"
    assert "\n" not in text and not text.endswith(".")  # the command line adds where, and the end
    return caught.value.location


NAN = float("nan")
REFUSED = [
    # Keys and words.
    ({"format": "int(8)", "scalng": "real"}, "scalng", "'scalng' of a slot; did you mean 'scaling'"),
    ({"scaling": "real"}, "", "a slot needs a 'format:'"),
    ({}, "", "a slot needs a 'format:'"),
    ({"format": "fixed(8", "6)": None}, "6)", "write a format in quotes"),
    ("fixed(8,", "", "malformed format 'fixed(8,' ... in quotes"),
    (None, "", "a format is a text such as 'fixed(8,4)', but got None"),
    (8, "", "a format is a text ... but got 8"),
    (["int(8)"], "", "a format is a text"),
    ({"format": "itn(8)"}, "format", "unknown format 'itn(8)'; did you mean 'int'"),
    ({"format": "int(8,auto)"}, "format", "write it as int(n"),
    ({"format": "fixed(40,auto)"}, "format", "wl must be an integer with 1 <= wl <= 32, but got 40"),
    ({"format": "int(8)", "scaling": "reel"}, "scaling", "unknown scaling 'reel'; did you mean 'real'"),
    ({"format": "int(8)", "scaling": True}, "scaling", "unknown scaling True; known: none, pow2, real"),
    ({"format": "int(8)", "scaling": ["real"]}, "scaling", "unknown scaling ['real']"),
    ({**INT8, "per": "chanel"}, "per", "unknown per 'chanel'; did you mean 'channel'"),
    ({**INT8, "observer": "percentil"}, "observer", "'percentil'; did you mean 'percentile'"),
    ({**INT8, "observer": None}, "observer", "unknown observer None; known: entropy, minmax"),
    ({"format": "int(8)", "rounding": "up"}, "rounding", "unknown rounding 'up'"),
    ({"format": "int(8)", "rounding": 3}, "rounding", "malformed rounding 3"),
    ({"format": "qtorch_fixed(8,4)", "rounding": "odd"}, "rounding", "does not round 'odd'"),
    # Truth values and numbers.
    ({**INT8, "zero_point": 1}, "zero_point", "zero_point must be true or false, but got 1"),
    ({**INT8, "dynamic": "yes"}, "dynamic", "dynamic must be true or false, but got 'yes'"),
    *(
        ({**INT8, "observer": "percentile", "percentile": value}, "percentile", "<= 100, but got")
        for value in (50, 100.5, -1, NAN, True, "99", None)
    ),
    *(
        ({**INT8, "per": "block", "block": size}, "block", "a whole number of values above 0, but got")
        for size in (0, -4, 2.0, True, "16", "16,scale=float32")
    ),
    # Options that contradict each other.
    ({"format": "int(8)", "per": "channel"}, "per", "'per' has no effect without 'scaling: pow2' or"),
    ({"format": "int(8)", "scaling": "none", "dynamic": True}, "dynamic", "'dynamic' has no effect without"),
    ({"format": "int(8)", "observer": "mse"}, "observer", "'observer' has no effect without"),
    ({"format": "fixed(8,auto)", "scaling": "real"}, "scaling", "has a power of two as scale"),
    ({**INT8, "percentile": 99}, "percentile", "needs 'observer: percentile'"),
    ({**INT8, "observer": "mse", "percentile": 99}, "percentile", "needs 'observer: percentile'"),
    ({**INT8, "dynamic": True, "observer": "mse"}, "observer", "tensor at hand, so 'observer: mse' has no"),
    ({**INT8, "dynamic": True, "percentile": 99}, "percentile", "tensor at hand, so 'percentile: 99' has"),
    ({**INT8, "block": 16}, "block", "it needs 'per: block'"),
    ({**INT8, "per": "block", "zero_point": True}, "zero_point", "so 'zero_point' has"),
    ({**INT8, "per": "block", "dynamic": True}, "dynamic", "so 'dynamic' has no"),
    ({**INT8, "per": "block", "dynamic": False}, "dynamic", "so 'dynamic' has no"),
    ({**INT8, "per": "block", "observer": "mse"}, "observer", "so 'observer' has no"),
    ({**INT8, "per": "block", "percentile": 0}, "percentile", "so 'percentile' has"),
    # Formats that cannot have the scale.
    *(
        ({"format": f, "scaling": kind, "zero_point": True}, "zero_point", f"got {kind} and {f}")
        for f, kind in (("float8_e4m3fn", "real"), ("int(8)", "pow2"), ("fixed(8,4)", "real"))
    ),
    ({"format": "fixed(8,auto)", "zero_point": True}, "zero_point", "a zero point is a code"),
    ({"format": "mxfp8_e4m3", "scaling": "real"}, "scaling", "leave 'scaling: real' out"),
    ({"format": "nvfp4", "scaling": "real", "per": "block"}, "scaling", "has scales of its own"),
    ({"format": "qtorch_fixed(8,4)", "scaling": "pow2"}, "scaling", "rounded by another library"),
    ({"format": "fixed(8,4,overflow=wrap)", "scaling": "real"}, "scaling", "wraps ... overflow=saturate"),
    ({"format": "fixed(8,auto,overflow=wrap)"}, "scaling", "wraps ... overflow=saturate"),
    ({"format": "float32", "scaling": "real"}, "scaling", "that of float32 ends at 3.4e+38"),
    ({"format": "bfloat16", "scaling": "pow2"}, "scaling", "that of bfloat16 ends at 3.39e+38"),
    ({"format": "int(1)", "scaling": "real"}, "scaling", "that of int(1) ends at 0"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "key", "message"), REFUSED)
def test_a_setting_is_refused_with_its_place(spec, key, message):
    location = refused(message, parse_setting, spec, HERE)
    assert location == ((*HERE, key) if key else HERE)
    # The same inside a policy, and inside a layer of it.
    assert refused(message, parse_policy, {"activations": spec}) == location
    assert refused(message, parse_policy, {"layers": {"conv*": {"activations": spec}}}) == (
        "layers",
        "conv*",
        *location,
    )


POLICIES_REFUSED = [
    ({"weigths": "int(8)"}, "weigths", "unknown slot 'weigths'; did you mean 'weights'"),
    ({"exmpt": ["first"]}, "exmpt", "unknown slot 'exmpt'; did you mean 'exempt'"),
    ({"rounding": "up"}, "rounding", "unknown rounding 'up'"),
    ({"rounding": "odd", "weights": "qtorch_fixed(8,4)"}, "rounding", "(8,4) does not round 'odd'"),
    ({"gradients": INT8}, "gradients.scaling", "the gradients change while ... add 'dynamic: true'"),
    ({"gradients": "fixed(8,auto)"}, "gradients.scaling", "the gradients change while"),
    ({"optimizer_state": INT8}, "optimizer_state.scaling", "the optimizer_state change while"),
    ({"gradients": {**INT8, "dynamic": True, "per": "channel"}}, "gradients.per", "one scale per tensor"),
    ({"biases": {**INT8, "per": "channel"}}, "biases.per", "a channel has a single bias"),
    ({**INT8, "per": "channel"}, "per", "a channel has a single bias ... slot of their own"),
    ({"layers": {"a": {**INT8, "per": "channel"}}}, "layers.a.per", "a channel has a single bias"),
    ({"layers": {"a": {"gradients": INT8}}}, "layers.a.gradients.scaling", "the gradients change while"),
    ({"layers": None}, "layers", "layers must map a pattern ... but got None"),
    ({"layers": {"a": None}}, "layers.a", "a format is a text"),
    ({"layers": {"a": {"exempt": "first"}}}, "layers.a.exempt", "unknown slot 'exempt'"),
    ({"exempt": "lst"}, "exempt", "some of first, last, additions, pooling, but got 'lst'"),
    ({"exempt": ["first", 3]}, "exempt", "but got 3"),
    ({"exempt": {"first": True}}, "exempt", "but got {'first': True}"),
    ({"exempt": None}, "exempt", "but got None"),
    ({"fold_batch_norm": "yes"}, "fold_batch_norm", "must be true or false, but got 'yes'"),
    ({"fold_batch_norm": 1}, "fold_batch_norm", "must be true or false, but got 1"),
    ({"calibration": 512}, "calibration", "calibration is a mapping such as {images: 512}, but got 512"),
    ({"calibration": {"imgs": 1}}, "calibration.imgs", "unknown key 'imgs'; did you mean 'images'"),
    *(
        ({"calibration": {"images": n}}, "calibration.images", "whole number above 0, but got")
        for n in (0, -1, 1.5, True, "9", NAN, None)
    ),
    ({"calibration": {"observer": "mean"}}, "calibration.observer", "unknown observer 'mean'"),
    ({"calibration": {"percentile": 0}}, "calibration.percentile", "50 < percentile <= 100, but got 0"),
    ({"calibration": {"percentile": NAN}}, "calibration.percentile", "but got nan"),
    ({"calibration": {"observer": "mse", "percentile": 99}}, "calibration.percentile", "'percentile' needs"),
    ({"accumulators": {**INT8}}, "accumulators.scaling", "unknown key 'scaling' of accumulators"),
    ({"accumulators": {"every": 2}}, "accumulators", "a slot needs a 'format:'"),
    ({"accumulators": {"format": "float16", "every": 0}}, "accumulators.every", "steps above 0, but got 0"),
    ({"accumulators": "mxfp8_e4m3"}, "accumulators.format", "a running sum has no scale"),
    ({"accumulators": {"format": "float16", "products": "bfp(8)"}}, "accumulators.products", "name a plain"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "location", "message"), POLICIES_REFUSED)
def test_a_policy_is_refused_with_the_place(spec, location, message):
    found = refused(message, parse_policy, spec)
    assert ".".join(map(str, found)) == location


GRID = """\
name: test
datasets: [digits]
architectures: [lenet]
policies:
  float32: float32
  mine:
    weights:
      format: fixed(8,6)
      {weights}
    activations: {{format: int(8), scaling: real{activations}}}
    exempt: [{exempt}]
    calibration:
      images: {images}
    layers:
      "conv*":
        gradients:
          format: float8_e5m2
          {gradients}
"""
FINE = {
    "weights": "rounding: floor",
    "activations": "",
    "exempt": "first",
    "images": "64",
    "gradients": "rounding: stochastic",
}


@pytest.mark.parametrize(
    ("name", "text", "line", "message"),
    [
        ("weights", "per: channel", 9, "policies.mine.weights.per: 'per' has no effect"),
        ("weights", "rounding: up", 9, "policies.mine.weights.rounding: unknown rounding 'up'"),
        ("weights", "scale: real", 9, "unknown key 'scale' of a slot; did you mean 'scaling'"),
        ("activations", ", percentile: .nan, observer: percentile", 10, "percentile: percentile must be"),
        ("activations", ", zero_point: no", 10, "zero_point must be true or false, but got 'no'"),
        ("exempt", "frist", 11, "but got 'frist'"),
        ("images", "0", 13, "policies.mine.calibration.images: images must be a whole number above 0"),
        ("images", ".inf", 13, "but got inf"),
        ("gradients", "scaling: pow2", 18, "policies.mine.layers.conv.gradients.scaling: the gradients"),
        ("gradients", "scaling: pow3", 18, "unknown scaling 'pow3'; did you mean 'pow2'"),
    ],
)
def test_a_grid_names_the_line(tmp_path, name, text, line, message):
    path = tmp_path / "grid.yaml"
    path.write_text(GRID.format(**FINE))
    load_grid(path)
    path.write_text(GRID.format(**{**FINE, name: text}))
    with pytest.raises(PrecisionError) as caught:
        load_grid(path)
    assert str(caught.value).replace("conv*", "conv").startswith(f"{path}:{line}: ")
    assert message in str(caught.value).replace("conv*", "conv")
