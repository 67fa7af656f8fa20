"""The memory of activations: by hand, against a brute-force interpreter, and against the arena of LiteRT."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

import architectures
from precision.errors import PrecisionError
from precision.measure.counted.activations import activations
from precision.measure.counted.cost import IMAGES
from precision.quantization import parse_policy
from precision.quantization.layers.graph import all_calls

FLOAT32, BYTES = parse_policy("float32"), parse_policy("fixed(8,4)")


def test_lenet_by_hand():
    found = activations(architectures.build("lenet"), FLOAT32)
    image, conv1, pool1, conv2, pool2 = 784, 28 * 28 * 32, 14 * 14 * 32, 10 * 10 * 48, 5 * 5 * 48
    assert found.order == ("conv1", "pool1", "conv2", "pool2", "flatten", "dense1", "dense2", "logits")
    assert [live // 4 for live in found.live] == [
        image + conv1,
        image + conv1 + pool1,
        image + pool1 + conv2,
        image + conv2 + pool2,
        image + pool2,  # the flattening names the same values
        image + pool2 + 256,
        image + 256 + 84,
        image + 84 + 10,
    ]
    assert found.peak == 4 * (image + conv1 + pool1)
    assert found.by_layer["conv1"] == 4 * conv1 and found.by_layer["flatten"] == 0


def test_a_residual_block_by_hand():
    """The shortcut waits for the sum, which takes the place of one of its terms."""
    found = activations(architectures.build("resnet", depth=8, input_shape=(32, 32, 3)), BYTES)
    assert found.peak == 32 * 32 * 3 + 3 * 32 * 32 * 16
    assert found.by_layer["stage1_block1_add"] == found.by_layer["stage1_block1_relu2"] == 0


@pytest.mark.parametrize(("width", "filters"), [(1, (32, 48)), (2, (64, 96))])
def test_twice_the_width_is_twice_the_memory_of_what_it_widens(width, filters):
    found = activations(architectures.build("lenet", width=float(width)), BYTES)
    assert found.by_layer["conv1"] == 28 * 28 * filters[0]
    assert found.by_layer["conv2"] == 10 * 10 * filters[1]
    assert found.peak == 784 + (28 * 28 + 14 * 14) * filters[0]


def network():
    x = images = keras.Input((4, 4, 2))
    x = layers.Conv2D(4, 3, padding="same", name="conv")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(name="relu")(x)
    y = layers.MaxPooling2D(2, name="pool")(layers.Conv2D(4, 1, name="second")(x))
    z = layers.AveragePooling2D(2, name="average")(x)
    x = layers.Concatenate(name="both")([y, z])
    return keras.Model(images, layers.Dense(3, name="logits")(layers.Flatten(name="flatten")(x)))


def test_each_tensor_has_the_bits_of_its_format():
    policy = parse_policy(
        {
            "activations": "fixed(8,4)",
            "inputs": "ufixed(4,4)",
            "layers": {"relu": {"activations": "fixed(6,3)"}, "average": {"activations": "float16"}},
        }
    )
    found = activations(network(), policy)
    own = {tensor.layer: tensor.bytes for tensor in found.tensors}
    assert own[IMAGES] == 32 * 4 / 8
    assert own["conv"] == 64 * 6 / 8  # with its normalisation and ReLU one step, which ends in 6 bits
    assert "norm" not in own and "relu" not in own
    assert own["second"] == 64  # before its pooling, and as wide as after it
    assert own["pool"] == 16 and own["average"] == 16 * 2
    assert own["both"] == 16 + 16 * 2  # a part of it in 8 bits, the other in 16
    assert "flatten" not in own


def test_what_is_not_rounded_has_its_own_type():
    policy = parse_policy({"activations": "fixed(8,4)", "exempt": ["pooling"]})
    own = {tensor.layer: tensor.bytes for tensor in activations(network(), policy).tensors}
    assert own["average"] == 16 * 4 and own[IMAGES] == 32 * 4
    halves = keras.Sequential([keras.Input((8,), dtype="float16"), layers.Dense(4, dtype="float16")])
    assert activations(halves, FLOAT32).peak == (8 + 4) * 2


def test_a_tensor_that_others_still_read_is_not_overwritten():
    x = images = keras.Input((4,))
    x = layers.Dense(4, name="dense")(x)
    y = layers.ReLU(name="relu")(x)
    model = keras.Model(images, layers.Add(name="add")([x, y]))
    found = activations(model, FLOAT32)
    assert found.by_layer == {"dense": 16, "relu": 16, "add": 0}
    both = keras.Model(images, [x, y])  # what is returned stays
    assert activations(both, FLOAT32).by_layer == {"dense": 16, "relu": 16}


def test_images_of_any_size_have_no_memory():
    model = keras.Sequential([keras.Input((None, None, 1)), layers.Conv2D(2, 3, name="conv")])
    with pytest.raises(PrecisionError, match="need images of a fixed size"):
        activations(model, FLOAT32)


def random_network(seed):
    """A graph of convolutions, element-by-element work, sums and concatenations of any tensors before."""
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    images = keras.Input((6, 6, int(rng.integers(1, 5))))
    known = [images, layers.Conv2D(4, 3, padding="same")(images)]
    for _ in range(int(rng.integers(4, 12))):
        x = known[rng.integers(len(known))] if rng.random() < 0.4 else known[-1]
        others = [t for t in known if t.shape == x.shape and t is not x]
        kind = rng.integers(8)
        if kind < 2:
            x = layers.Conv2D(int(rng.integers(1, 9)), 3, padding="same")(x)
        elif kind == 2:
            x = layers.BatchNormalization()(x)
        elif kind == 3:
            x = keras.ops.relu(x) if rng.random() < 0.5 else layers.ReLU()(x)
        elif kind == 4:
            x = layers.Dropout(0.5)(x)
        elif kind == 5 and others:
            x = layers.Add()([x, others[rng.integers(len(others))]])
        elif kind == 6:
            x = layers.Concatenate()([x, known[rng.integers(len(known))]])
        else:
            x = layers.MaxPooling2D(3, 1, padding="same")(x)
        known.append(x)
    outputs = [known[-1]] + ([known[len(known) // 2]] if rng.random() < 0.3 else [])
    return keras.Model(images, outputs[0] if len(outputs) == 1 else outputs)


class Interpreter:
    """Computes a network in memory that it counts: arrays live as long as someone has yet to read them."""

    def __init__(self, model):
        self.model, self.peak = model, 0
        self.arrays, self.uses = {}, {}  # by the id of a symbolic tensor
        for call in all_calls(model):
            for tensor in call.inputs:
                self.uses[id(tensor)] = self.uses.get(id(tensor), 0) + 1
        for tensor in (*model.inputs, *model.outputs):  # never given up
            self.uses[id(tensor)] = self.uses.get(id(tensor), 0) + 1

    def held(self, array):
        """How often an array will still be read, under all its names."""
        return sum(self.uses[key] for key, other in self.arrays.items() if np.shares_memory(other, array))

    def run(self, image):
        self.arrays[id(self.model.inputs[0])] = image
        for call in all_calls(self.model):
            read = [self.arrays[id(tensor)] for tensor in call.inputs]
            arguments = keras.tree.map_structure(
                lambda t: self.arrays[id(t)] if keras.backend.is_keras_tensor(t) else t,
                (call.arguments, {k: v for k, v in call.options.items() if k != "training"}),
            )
            result = np.asarray(call.layer(*arguments[0], **arguments[1]))
            for tensor in call.inputs:
                self.uses[id(tensor)] -= 1
            name = type(call.layer).__name__
            (output,) = call.outputs
            if name == "Dropout":
                self.arrays[id(output)] = read[0][:]
            elif free := [
                array
                for array in read
                if name in ("BatchNormalization", "ReLU", "Relu", "Add")
                and array.nbytes == result.nbytes
                and not self.held(array)
            ]:
                free[0][...] = result  # whoever still needed what was there gets a wrong result
                self.arrays[id(output)] = free[0]
            else:
                self.arrays[id(output)] = np.array(result)
            self.uses.setdefault(id(output), 0)
            self.count(call)
        return [self.arrays[id(tensor)] for tensor in self.model.outputs]

    def count(self, call):
        """Note what is held while a call is computed, and give up what no one reads any more."""
        now = {id(tensor) for tensor in (*call.inputs, *call.outputs)}
        live = {}
        for key, array in self.arrays.items():
            if key in now or self.held(array):
                live[array.__array_interface__["data"][0]] = array.nbytes
        self.peak = max(self.peak, sum(live.values()))
        self.arrays = {key: array for key, array in self.arrays.items() if self.held(array)}


@pytest.mark.parametrize("seed", range(16))
def test_a_brute_force_interpreter_needs_the_same(seed):
    model = random_network(seed)
    image = np.random.default_rng(seed).normal(size=(1, *model.input_shape[1:])).astype(np.float32)
    interpreter = Interpreter(model)
    computed = interpreter.run(image.copy())
    expected = keras.tree.flatten(model(image, training=False))
    for one, other in zip(computed, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
    assert activations(model, FLOAT32).peak == interpreter.peak


def branches():
    images = keras.Input((24, 24, 3))
    x = layers.Conv2D(16, 3, padding="same", activation="relu")(images)
    one = layers.Conv2D(8, 1, activation="relu")(x)
    other = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    pooled = layers.MaxPooling2D(3, 1, padding="same")(x)
    x = layers.Conv2D(8, 3)(layers.Concatenate()([one, other, pooled]))
    return keras.Model(images, layers.Dense(5)(layers.GlobalAveragePooling2D()(x)))


IN_LITERT = {
    "lenet": lambda: architectures.build("lenet"),
    "resnet": lambda: architectures.build("resnet", depth=8, input_shape=(32, 32, 3)),
    "vgg": lambda: architectures.build("vgg", width=0.25),
    "branches": branches,
}


def int8(model):
    """The file of the same network in LiteRT, of 8-bit integers from the images to the logits."""
    spec = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32)
    concrete = tf.function(lambda x: model(x, training=False)).get_concrete_function(spec)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([convert_variables_to_constants_v2(concrete)])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: [[np.ones(spec.shape, np.float32)]]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def arena(file):
    """The bytes from the first to the last of the tensors that the interpreter of LiteRT has placed.

    Its kernels are the reference ones, which need no memory beside their tensors.
    """
    kind = tf.lite.experimental.OpResolverType.BUILTIN_REF
    interpreter = tf.lite.Interpreter(model_content=file, experimental_op_resolver_type=kind)
    interpreter.allocate_tensors()
    made = {int(i) for operation in interpreter._get_ops_details() for i in operation["outputs"]}
    made |= {entry["index"] for entry in interpreter.get_input_details()}
    views = [interpreter.tensor(i)() for i in made]
    places = [(view.__array_interface__["data"][0], view.nbytes) for view in views]
    return max(start + size for start, size in places) - min(start for start, _ in places)


@pytest.mark.filterwarnings("ignore")  # the converter and the interpreter are noisy
@pytest.mark.parametrize("name", IN_LITERT)
def test_the_arena_of_litert_is_as_large(name):
    model = IN_LITERT[name]()
    assert activations(model, BYTES).peak == pytest.approx(arena(int8(model)), rel=0.05)
