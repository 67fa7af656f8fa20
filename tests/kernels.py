"""Ways through the scaled kernel that tests share, and the bits of what comes out."""

import keras
import numpy as np

from precision.quantization import Setting
from precision.quantization.policy.settings import Scaling, parse_setting
from precision.quantization.quantizer import Quantizer
from precision.quantization.scales.kernel import program_of

REAL, POW2 = {"scaling": "real"}, {"scaling": "pow2"}
AFFINE = {"scaling": "real", "zero_point": True}


X = np.float32([-9, -1.2, -1, -0.999, -0.3, 0, 0.3, 0.7, 1.3, 3, 40])
UP = np.arange(1, 12).astype(np.float32)


def setting(text, **options):
    return parse_setting({"format": text, **options}, ("activations",))


def bits(x):
    """The bits of float32 numbers, but for the sign and the payload of NaN."""
    x = np.asarray(x, np.float32)
    return np.where(np.isnan(x), np.int32(-1), x.view(np.int32))


def assert_same_bits(a, b):
    np.testing.assert_array_equal(bits(a), bits(b))


def extremes(s, x, axis=-1):
    """The range of a tensor, or of each of its channels."""
    others = tuple(i for i in range(x.ndim) if not s.per_channel or i != axis % x.ndim)
    return x.min(axis=others).reshape(-1), x.max(axis=others).reshape(-1)


class Holder(keras.layers.Layer):
    """Holds the variables of a quantizer."""


def quantizer(s, low=None, high=None, *, gradient=None, seed=0, **options):
    found = Quantizer(Holder(), "activations", s, gradient=gradient, **options)
    ends = [None if end is None else np.atleast_1d(np.float32(end)) for end in (low, high)]
    found.assign(s, gradient, *ends)
    found.seed(seed)
    return found


def backward(q, x, upstream, **arguments):
    """Return what is computed, and the gradient of ``x``."""
    import tensorflow as tf

    x = tf.Variable(np.float32(x))
    with tf.GradientTape() as tape:
        y = q(x, **arguments)
    return y.numpy(), tape.gradient(y, x, output_gradients=tf.constant(np.float32(upstream))).numpy()


def on_tensors(s, x, numbers, axis=-1, words=None):
    import tensorflow as tf

    words = None if words is None else tf.constant(words)
    return program_of(s)[0].tensor(tf.constant(x), tf.constant(numbers), words, axis).numpy()


def dynamic(s, x, axis=-1):
    """Through a quantizer that looks at the tensor itself."""
    options = {**vars(s.scaling), "dynamic": True, "observer": "minmax"}
    live = Setting(s.number_format, s.rounding, Scaling(**options))
    return Quantizer(Holder(), "weights", live, channels=x.shape[axis])(x, axis).numpy()
