"""What the one module that names private things of Keras says about models and layers."""

import ast
from pathlib import Path

import keras
import pytest
from keras import layers

import architectures
from precision.exploration.assignment import units
from precision.measure.counted.cost import layer_costs
from precision.quantization import parse_policy
from precision.quantization.layers.graph import (
    Graph,
    distinct,
    has_shared_generator,
    is_functional,
    own_variables,
    parts,
    producer,
    shared_generator,
    takes_training,
    trained_variables,
)
from precision.quantization.layers.points import rounds_output
from precision.quantization.sites import sites

ROOT = Path(__file__).parents[3]
ONLY = ROOT / "precision" / "quantization" / "layers" / "graph.py"
BELOW = ROOT / "architectures" / "_keras.py"
SOURCES = sorted(p for folder in ("precision", "architectures") for p in (ROOT / folder).rglob("*.py"))
TREES = {path: ast.parse(path.read_text()) for path in SOURCES}

# Private by their place alone: a call of a layer that Keras keeps.
NODES = {"operation", "parent_nodes", "input_tensors", "output_tensors"}
# Of Python, of its named tuples, and of Ray.
OTHERS = {"_asdict", "_replace", "_exit", "_getframe", "_Popen", "_actor_init_failed"}
OTHERS |= {"_context", "_initialized", "_backends"}  # of TensorFlow and JAX: whether they have computed


def is_private(name: object) -> bool:
    return isinstance(name, str) and name.startswith("_") and not name.startswith("__")


def own_names() -> set[str]:
    """The private names that the package itself gives."""
    found = set()
    for tree in TREES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                found.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                found.add(node.attr)
    return found


def names_of_keras() -> set[str]:
    x = keras.Input((3,))
    model = keras.Sequential([x, layers.Dense(2)])
    model.compile("adam")
    dense = model.layers[0]
    objects = [x, model, model._functional, dense, dense.kernel, dense._inbound_nodes[0], model.optimizer]
    return {name for thing in objects for name in dir(thing)}


def accesses(tree: ast.Module):
    """Every attribute of something other than ``self`` and ``cls``, and every name asked for as a text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            itself = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            if not itself and not (isinstance(node.value, ast.Call) and ast.unparse(node.value) == "super()"):
                yield node.lineno, node.attr
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "hasattr", "setattr"):
            yield node.lineno, getattr(node.args[1], "value", None)


def test_no_other_module_names_private_things_of_keras():
    ours, theirs, found = own_names(), names_of_keras(), []
    for path, tree in TREES.items():
        wrong = {
            (line, name)
            for line, name in accesses(tree)
            if name in NODES
            or (is_private(name) and name not in OTHERS and (name not in ours or name in theirs))
        }
        for node in ast.walk(tree):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [ast.unparse(node)] if isinstance(node, ast.Attribute) else []
            if any(module.startswith("keras.src") for module in modules):
                wrong.add((node.lineno, "keras.src"))
        if path == BELOW:  # for what stands below the other
            continue
        if path == ONLY:
            assert {"_nodes_by_depth", "_flatten_layers", "operation", "keras.src"} <= {n for _, n in wrong}
        else:
            found += [f"{path.relative_to(ROOT)}:{line}: {name}" for line, name in sorted(wrong)]
    assert found == []


class Inside(layers.Layer):
    """A layer with variables of its own, and a layer inside that has others."""

    def __init__(self, **options):
        super().__init__(**options)
        self.dense = layers.Dense(3, name="inner")

    def build(self, shape):
        self.own = self.add_weight(shape=(2,), name="own")
        self.seen = self.add_weight(shape=(1,), name="seen", trainable=False)
        self.dense.build(shape)

    def call(self, x):
        return self.dense(x)


def branched():
    """in -> conv -> relu -> add -> flat, and conv -> add."""
    x = inputs = keras.Input((4, 4, 2), name="in")
    conv = layers.Conv2D(2, 3, padding="same", name="conv")(x)
    relu = layers.ReLU(name="relu")(conv)
    x = layers.Flatten(name="flat")(layers.Add(name="add")([relu, conv]))
    return keras.Model(inputs, x)


def names(found):
    return [layer.name for layer in found]


def test_which_layers_read_from_which():
    model = branched()
    graph = Graph(model)
    layer = model.get_layer
    assert names(graph.consumers(layer("conv"))) == ["relu", "add"]
    assert names(graph.producers(layer("add"))) == ["relu", "conv"]
    assert graph.consumers(layer("flat")) == []
    assert graph.producers(layer("in")) == []
    assert [x.name for x in model.layers if graph.reads_images(x)] == ["conv"]
    assert graph.inputs(layer("add")) == [layer("relu").output, layer("conv").output]
    assert graph.outputs(layer("conv")) == [layer("conv").output]
    assert producer(layer("conv").output).layer is layer("conv")
    assert producer(model.inputs[0]).inputs == []


def test_an_operation_is_a_consumer():
    x = inputs = keras.Input((3,))
    y = layers.Dense(3, name="dense")(x)
    model = keras.Model(inputs, y + y)
    [addition] = Graph(model).consumers(model.get_layer("dense"))
    assert type(addition).__name__ == "Add"


def test_a_call_has_what_it_was_called_with():
    x = inputs = keras.Input((3,), name="x")
    layer = layers.MultiHeadAttention(1, 2, name="attention")
    x = layers.Reshape((3, 1), name="reshape")(x)
    model = keras.Model(inputs, layer(x, x, training=False))
    [call] = Graph(model).calls(layer)
    assert call.layer is layer
    assert call.arguments[0] is x and call.options["training"] is False
    assert call.inputs == [x, x]
    assert call.outputs == [model.outputs[0]]
    assert names(Graph(model).producers(layer)) == ["reshape"]


@pytest.mark.parametrize("how", ["at once", "one by one", "built late"])
def test_sequential(how):
    stack = [layers.Dense(4, name="a"), layers.ReLU(name="relu"), layers.Dense(2, name="b")]
    if how == "one by one":  # for which Keras calls the first layers again and again
        model = keras.Sequential([keras.Input((3,))])
        for layer in stack:
            model.add(layer)
    else:
        model = keras.Sequential(stack if how == "built late" else [keras.Input((3,)), *stack])
    if how == "built late":
        assert not Graph(model)
        assert Graph(model).calls(stack[0]) == []
        model.build((None, 3))
    graph = Graph(model)
    assert graph and [len(graph.calls(layer)) for layer in stack] == [1, 1, 1]
    assert names(graph.consumers(stack[0])) == ["relu"]
    assert [graph.reads_images(layer) for layer in stack] == [True, False, False]
    assert [cost.macs for cost in layer_costs(model)] == [12, 0, 8]


def test_a_layer_that_is_called_twice():
    inputs = [keras.Input((3,)), keras.Input((3,))]
    shared = layers.Dense(2, name="shared")
    model = keras.Model(inputs, layers.Concatenate(name="both")([shared(x) for x in inputs]))
    graph = Graph(model)
    assert [call.inputs for call in graph.calls(shared)] == [[x] for x in inputs]
    assert len(graph.outputs(shared)) == 2
    assert names(graph.consumers(shared)) == ["both"]
    assert names(graph.producers(model.get_layer("both"))) == ["shared"]


def test_what_another_model_does_with_a_layer_is_no_matter_of_this_one():
    x = inputs = keras.Input((6, 6, 1), name="in")
    conv = layers.Conv2D(2, 3, name="conv")
    relu = layers.ReLU(name="relu")
    x = relu(conv(x))
    model = keras.Model(inputs, layers.Dense(3, name="logits")(layers.Flatten(name="flat")(x)))
    policy = parse_policy("fixed(8,4)")
    costs, found, unit = layer_costs(model), sites(model, policy), units(model)
    assert "activations" not in found["conv"]
    keras.Model(inputs, layers.Flatten(name="features")(model.get_layer("conv").output))
    other = keras.Input((9, 9, 1))
    keras.Model(other, layers.AveragePooling2D(2)(conv(other)))
    relu(keras.Input((5,)))
    graph = Graph(model)
    assert names(graph.consumers(conv)) == ["relu"]
    assert len(graph.calls(conv)) == len(graph.calls(relu)) == 1
    assert not rounds_output(graph, conv)
    assert not graph.reads_images(relu)
    assert (layer_costs(model), sites(model, policy), units(model)) == (costs, found, unit)


def test_layers_inside_a_layer_and_the_variables_that_each_made():
    layer = Inside(name="outer")
    model = keras.Sequential([keras.Input((4,)), layer, layers.BatchNormalization(name="norm")])
    assert names(parts(layer)) == ["outer", "inner"]
    assert parts(model)[0] is model
    assert [n for n in names(parts(model)) if n in ("outer", "inner", "norm")] == ["outer", "inner", "norm"]
    assert names(trained_variables(layer)) == ["own"]
    assert names(own_variables(layer)) == ["own", "seen"]
    assert names(own_variables(layer.dense)) == ["kernel", "bias"]
    layer.trainable = False
    assert names(trained_variables(layer)) == ["own"]
    norm = model.get_layer("norm")
    assert names(trained_variables(norm)) == ["gamma", "beta"]
    assert names(own_variables(norm))[2:] == ["moving_mean", "moving_variance"]


def test_kinds_of_models():
    class Own(keras.Model):
        def call(self, x):
            return x

    x = keras.Input((3,))
    assert is_functional(branched()) and is_functional(keras.Sequential([layers.Dense(1)]))
    assert is_functional(architectures.build("lenet"))
    assert not is_functional(Own()) and not is_functional(keras.Function(x, x + 1))
    assert not Graph(Own())


def test_which_layers_are_told_of_training():
    assert takes_training(layers.Dropout(0.5)) and takes_training(layers.BatchNormalization())
    assert not takes_training(layers.ReLU()) and not takes_training(layers.Flatten())


def test_distinct():
    a, b = layers.ReLU(), layers.ReLU()
    assert distinct([b, a, b]) == [b, a]


def test_the_generator_of_layers_without_one():
    keras.utils.set_random_seed(5)
    keras.utils.clear_session()
    assert not has_shared_generator()
    made = shared_generator()
    assert has_shared_generator() and shared_generator() is made
    before = made.state.numpy()
    keras.random.normal((1,))
    assert (made.state.numpy() != before).any()
