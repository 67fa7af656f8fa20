"""Every backend of Keras gives the bits of NumPy arrays."""

import contextlib
import importlib.util
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import on_backend
import pytest
from oracles import patterns
from oracles.catalogue import definition
from oracles.staircase import bits

from precision.formats import parse

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def processes():
    """Start the others beside TensorFlow, which this process has: Keras has one backend in each."""
    started = {}
    path = os.pathsep.join(map(str, (ROOT / "tests", ROOT)))
    for backend in ("jax", "torch"):
        if importlib.util.find_spec(backend) is not None:
            own = {"KERAS_BACKEND": backend, "PYTHONPATH": path, "JAX_PLATFORMS": "cpu"}
            command = [sys.executable, on_backend.__file__]
            started[backend] = subprocess.Popen(
                command, env=os.environ | own, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
    yield started
    for process in started.values():
        process.kill()
        process.communicate()


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_same_bits_in_every_family(backend, processes):
    if backend == "tensorflow":
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            on_backend.main()
        out = printed.getvalue()
    elif backend not in processes:
        pytest.skip(f"{backend} is not installed")
    else:
        out, errors = processes[backend].communicate()
        assert processes[backend].returncode == 0, errors[-3000:]
    *differences, compared = out.splitlines()
    assert not differences, "\n".join(differences)
    assert int(compared) > 40


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("text", ["fixed(8,4,overflow=wrap)", "float8_e4m3fnuz", "posit(8,2)", "nvfp4"])
def test_tensorflow_in_a_graph_and_compiled_gives_the_same_bits(text, jit):
    import tensorflow as tf

    f = parse(text)
    if f.block:
        x = np.ldexp(np.random.default_rng(2).normal(size=(64, 83)), np.arange(-32, 32)[:, None]).astype("f4")
    else:
        x = patterns.of(definition(text), 20_000).view(np.float32)
        x = x[~((np.abs(x) < 2.0**-126) & (x != 0))]
    graph = tf.function(f.quantize, jit_compile=jit, autograph=False)
    wrong = patterns.differences(bits(graph(tf.constant(x)).numpy()).ravel(), bits(f.quantize(x)).ravel())
    assert wrong.size == 0, x.ravel()[wrong[:5]]


@pytest.mark.parametrize("text", ["float8_e4m3fn", "posit(8,2)", "mxfp8_e4m3", "nvfp4"])
def test_gradients_pass_straight_through_on_tensorflow(text):
    import tensorflow as tf

    x = tf.Variable(np.linspace(-300, 300, 64, dtype=np.float32))
    upstream = tf.range(64.0)

    def gradient() -> tf.Tensor:
        with tf.GradientTape() as tape:
            y = tf.reduce_sum(parse(text).quantize(x) * upstream)
        return tape.gradient(y, x)

    np.testing.assert_array_equal(gradient(), upstream)
    np.testing.assert_array_equal(tf.function(gradient)(), upstream)
