"""What becomes of single values, against what the definition of each format says of them."""

import keras
import numpy as np
import pytest

from precision.formats import NumberFormat, parse
from precision.quantization.fates import ends, fates, placed
from precision.quantization.policy.settings import Setting, parse_setting
from precision.quantization.quantizer import Quantizer

# A setting, values, and of each whether it overflows (o), vanishes (v) or neither (-).
CASES = [
    ("fixed(4,2)", [0.0, 0.1, 0.2, 1.8, 1.9, -2.1, -2.2, np.inf], "-v--o-oo"),
    ("fixed(4,2,overflow=wrap)", [1.75, 1.8, 1.9, 7.0], "--oo"),
    ("int(4)", [0.4, 7.4, 7.5, -8.4, -8.6], "v-o-o"),
    ("uint(4)", [-0.4, -0.6, 0.4, 15.4, 15.6], "vov-o"),
    ("float8_e4m3fn", [463.0, 465.0, 2.0**-9, 2.0**-11, -465.0], "-o-vo"),  # beyond is NaN
    ("float(4,3,subnormals=False)", [2.0**-6, 2.0**-8, 2.0**-6 / 3], "-vv"),
    ("float(5,2)", [57344.0, 61439.0, 61441.0, 2.0**-18], "--ov"),
    ("posit(8,1)", [1e-30, 4000.0, 1e9], "--o"),  # nothing becomes zero
    ("binary", [0.0, 0.01, -1.9, 2.1], "---o"),
    ("nf4", [0.01, 0.5, 1.3], "v-o"),
    ("float16", [65519.0, 65521.0, 1e-9], "-ov"),
    ("fixed(24,12)", [2047.9, 2049.0, 1e-5], "-ov"),  # too many values to list
    # The largest of the block is 7.5: scales are 2^(2 - 2), elements end at 6.
    ("mxfp4_e2m1", [7.5, 6.9, 7.1, 0.2, 0.3], "o-ov-"),
    ("block(int(4),4)", [100.0, 1.0, 80.0, -100.0, 1e-9, 0.0, 0.0, 0.0], "-v------"),
    ({"format": "int(4)", "scaling": "real", "dynamic": True}, [7.0, 0.4, -7.0], "-v-"),
]


def quantizer(spec, channels=1):
    setting = parse_setting(spec, ("test",))
    return Quantizer(keras.layers.Layer(), "activations", setting, channels=channels)


def fate(rounds, values):
    x = keras.ops.convert_to_tensor(np.array(values, np.float32))
    limits = keras.ops.convert_to_tensor(ends(rounds.scale.setting.number_format))
    beyond, vanished = map(np.asarray, fates(rounds, x, rounds(x), limits))
    assert not (beyond & vanished).any()
    return "".join(
        "o" if b else "v" if v else "-" for b, v in zip(beyond.ravel(), vanished.ravel(), strict=True)
    )


@pytest.mark.parametrize(("spec", "values", "expected"), CASES, ids=lambda case: str(case)[:30])
def test_the_fate_of_a_value(spec, values, expected):
    assert fate(quantizer(spec), values) == expected


def test_under_a_scale_for_each_channel_and_a_zero_point():
    spec = {"format": "uint(4)", "scaling": "real", "per": "channel", "zero_point": True}
    rounds = quantizer(spec, channels=2)
    rounds.assign(
        rounds.scale.setting, None, np.array([0.0, -1.0], np.float32), np.array([15.0, 2.0], np.float32)
    )
    # Steps of 1 from 0 to 15, and of 0.2 from -1 to 2.
    assert (
        fate(rounds, [[0.4, 0.09], [15.4, 2.09], [15.6, 2.11], [-0.4, -1.09], [-0.6, -1.11]]) == "vv--oov-oo"
    )


def test_units_are_what_elements_are_rounded_in():
    rounds = quantizer("nvfp4")
    x = np.linspace(-3, 5, 32, dtype=np.float32)
    units, _ = placed(rounds, keras.ops.convert_to_tensor(x))
    assert np.abs(np.asarray(units)).max() == pytest.approx(6, rel=0.07)  # but for the rounding of the scale
    y = np.asarray(rounds(keras.ops.convert_to_tensor(x)))
    scale = x[0] / np.asarray(units)[0]
    np.testing.assert_allclose(
        parse("float4_e2m1fn").quantize(np.asarray(units)[:16]) * scale, y[:16], rtol=1e-5
    )


class Shared(NumberFormat):
    """A format of a user's own whose neighbours share something that nobody knows of."""

    name, bits, block = "shared", 4, 4

    def quantize(self, x, rounding="nearest", key=None, *, axis=-1):
        return parse("fixed(4,2)").quantize(x, rounding, key, axis=axis)

    def values(self):
        return parse("fixed(4,2)").values()


def test_a_format_that_does_not_tell_its_scales_has_no_overflow():
    rounds = Quantizer(keras.layers.Layer(), "activations", Setting(Shared()))
    assert fate(rounds, [9.0, 0.01]) == "-v"
