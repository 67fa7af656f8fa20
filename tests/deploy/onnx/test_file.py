"""What an ONNX file says of itself, and what becomes of damaged and foreign ones."""

import sys

import keras
import numpy as np
import onnx
import pytest
from keras import layers

from precision.deploy.onnx.conversion import onnx_file
from precision.deploy.onnx.file import read
from precision.deploy.onnx.predictor import OnnxPredictor
from precision.errors import PrecisionError
from precision.quantization import apply, parse_policy

POLICY = parse_policy({"weights": "fixed(4,3)", "activations": "fixed(7,4)", "inputs": "ufixed(5,5)"})
IMAGES = np.random.default_rng(5).random((4, 6, 6, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(4)
    x = keras.Input((6, 6, 1))
    y = layers.MaxPooling2D(2, name="pool")(layers.Conv2D(3, 3, activation="relu", name="conv")(x))
    network = keras.Model(x, layers.Dense(3, name="logits")(layers.Flatten()(y)))
    return apply(network, POLICY)


@pytest.fixture(scope="module")
def quants(model):
    return onnx_file(model, POLICY, dialect="qonnx")


@pytest.fixture(scope="module")
def content(model):
    return onnx_file(model, POLICY).to_bytes()


def test_it_is_read_back(model, content, tmp_path):
    (tmp_path / "model.onnx").write_bytes(content)
    found = read(tmp_path / "model.onnx")
    assert found.points == onnx_file(model, POLICY).points and found.shape == (6, 6, 1)
    assert [point.label for point in found.points] == ["conv (images)", "pool", "logits"]
    assert found.to_bytes() == content  # twice the same bytes
    logits = OnnxPredictor(found).logits(IMAGES)
    np.testing.assert_array_equal(logits, OnnxPredictor(onnx_file(model, POLICY)).logits(IMAGES))


def test_weights_take_the_bits_of_their_type(content):
    sizes = {t.name: len(t.raw_data) for t in onnx.load_model_from_string(content).graph.initializer}
    assert sizes["conv/kernel/codes"] == 14  # 27 of 4 bits


def test_images_of_another_shape_are_refused(model):
    predictor = OnnxPredictor(onnx_file(model, POLICY))
    with pytest.raises(PrecisionError, match=r"takes images of shape \(6, 6, 1\), but got \(6, 7, 1\)"):
        predictor.logits(np.zeros((1, 6, 7, 1), np.float32))


def test_a_damaged_file_is_refused(content, tmp_path):
    for name, part in {"cut": content[: len(content) // 2], "text": b"no model", "empty": b""}.items():
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(part)
        with pytest.raises(PrecisionError, match="this is no ONNX file, or a damaged one") as caught:
            read(path)
        assert str(caught.value).startswith(str(path))
    with pytest.raises(PrecisionError, match="there is no such file"):
        read(tmp_path / "missing.onnx")


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_package_that_is_missing_is_told(model, content, tmp_path, monkeypatch, package):
    (tmp_path / "model.onnx").write_bytes(content)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(PrecisionError, match=r"is not installed; pip install 'precision\[onnx\]'"):
        OnnxPredictor(read(tmp_path / "model.onnx"))
    if package == "onnx":
        with pytest.raises(PrecisionError, match="is not installed"):
            onnx_file(model)


def test_a_foreign_file_is_refused(content, tmp_path):
    found = onnx.load_model_from_string(content)
    del found.metadata_props[:]
    (tmp_path / "foreign.onnx").write_bytes(found.SerializeToString())
    with pytest.raises(PrecisionError, match="was not written by precision export"):
        read(tmp_path / "foreign.onnx")


class TestQonnx:
    """The other dialect: its nodes, and what they compute by a Quant of one's own."""

    def test_its_nodes_say_the_bits(self, quants):
        nodes = {n.name: n for n in quants.model.graph.node if n.domain == "qonnx.custom_op.general"}
        constants = {t.name: onnx.numpy_helper.to_array(t) for t in quants.model.graph.initializer}
        found = {}
        for name, node in nodes.items():
            options = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            assert node.op_type == "Quant" and len(node.input) == 4 and options["rounding_mode"] == b"ROUND"
            bits, scale = (constants[node.input[place]].item() for place in (3, 1))
            found[name] = bits, options["signed"], options["narrow"], scale
        assert found == {
            "conv/inputs/rounded": (5, 0, 0, 2**-5),
            "conv/kernel": (4, 1, 0, 2**-3),
            "pool/activations/rounded": (7, 1, 0, 2**-4),
            "logits/kernel": (4, 1, 0, 2**-3),
            "logits/activations/rounded": (7, 1, 0, 2**-4),
        }
        assert "QuantizeLinear" not in quants.operators()

    def test_it_computes_what_the_emulation_computes(self, quants, model):
        from onnx.reference import ReferenceEvaluator
        from onnx.reference.op_run import OpRun

        class Quant(OpRun):
            op_domain = "qonnx.custom_op.general"

            def _run(self, x, scale, zero, bits, signed=None, narrow=None, rounding_mode=None):
                low = -(2 ** (bits - 1)) + narrow if signed else 0 * bits
                high = 2 ** (bits - 1) - 1 if signed else 2**bits - 1 - narrow
                codes = np.clip(np.rint(x / scale + zero), low, high)
                return (((codes - zero) * scale).astype(np.float32),)

        session = ReferenceEvaluator(quants.model, new_ops=[Quant])
        (logits,) = session.run(None, {"images": IMAGES})
        np.testing.assert_array_equal(logits, model.predict_on_batch(IMAGES))

    def test_what_it_cannot_say_is_refused(self):
        policy = parse_policy({"weights": "float8_e4m3fn"})
        network = keras.Sequential([keras.Input((4,)), layers.Dense(2, name="logits")])
        with pytest.raises(PrecisionError, match="Quant of QONNX has integers"):
            onnx_file(apply(network, policy), policy, dialect="qonnx")
