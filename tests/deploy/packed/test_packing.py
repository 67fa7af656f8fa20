"""A packed file: as large as the formats say, and bit for bit what the formats round to."""

import contextlib
import json
import resource
import signal

import keras
import numpy as np
import pytest
from commands import here, precision
from safetensors.numpy import load_file, save_file

import architectures
from precision.deploy import model_file
from precision.deploy.packed import file as packing
from precision.errors import PrecisionError
from precision.formats import parse
from precision.measure.counted.packed import weight_memory
from precision.quantization import parse_policy
from precision.quantization.layers.axes import contraction_axis
from precision.quantization.stored import stored_variables

FORMATS = [
    "fixed(8,6)",
    "fixed(6,5)",
    "float6_e3m2fn",
    "float6_e2m3fn",
    "posit(8,1)",
    "mxfp8_e4m3",
    "mxfp6_e2m3",
]
FORMATS += ["mxfp4_e2m1", "mxint8", "nvfp4", "nvfp4(tensor_scale=False)", "bfp(5,block=16)", "ternary", "nf4"]
FORMATS += ["float32"]


def network(name: str, **options):
    keras.utils.set_random_seed(0)
    model = architectures.build(name, **options)
    for variable in model.weights:  # biases and statistics other than zero
        if len(variable.shape) == 1:
            variable.assign(np.random.default_rng(1).standard_normal(variable.shape) ** 2)
    return model


@pytest.fixture(scope="module")
def lenet():
    return network("lenet")


@pytest.fixture(scope="module")
def resnet():
    return network("resnet", depth=8)


@pytest.fixture(scope="module")
def saved(lenet, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "lenet.keras"
    lenet.save(path)
    return path


def policy_of(text: str):
    return parse_policy({"weights": text, "biases": text})


@pytest.mark.parametrize("name", ["lenet", "resnet"])
@pytest.mark.parametrize("text", FORMATS)
def test_the_file_holds_the_rounded_values_in_the_reported_bytes(request, tmp_path, name, text):
    model, policy = request.getfixturevalue(name), policy_of(text)
    path = tmp_path / "model.safetensors"
    path.write_bytes(packing.to_bytes(packing.pack_model(model, policy), policy))

    tensors = load_file(path)
    assert weight_memory(model, policy).bytes == sum(tensor.nbytes for tensor in tensors.values())
    assert set(tensors) == {variable.path for layer in model.layers for variable in layer.weights}

    copy = keras.models.clone_model(model)
    packing.load_into(copy, packing.read(path), path)
    f, rounded = parse(text), 0
    for layer, other in zip(model.layers, copy.layers, strict=True):
        trained = {id(v) for v in layer.trainable_variables}
        for variable, received in zip(layer.weights, other.weights, strict=True):
            wanted = np.asarray(variable.value)
            if id(variable) in trained:
                wanted = f.quantize(wanted, axis=contraction_axis(layer, variable))
                rounded += 1
            got = np.asarray(received.value)
            assert (got.view(np.int32) == wanted.view(np.int32)).all(), variable.path
    assert rounded >= 8


def test_a_six_bit_value_takes_six_bits(lenet):
    weights = sum(item.size for item in stored_variables(lenet, policy_of("float32")))
    packed = packing.pack_model(lenet, policy_of("float6_e3m2fn"))
    assert weights * 6 / 8 <= packed.payload_bytes < weights * 6 / 8 + len(packed.entries)


def test_scales_of_blocks_are_stored_once_for_each_block_of_the_inputs(lenet):
    packed = packing.pack_model(lenet, policy_of("mxfp8_e4m3"))
    kernel = next(
        v for layer in lenet.layers for v in layer.weights if len(v.shape) == 2
    )  # (inputs, outputs)
    inputs, outputs = kernel.shape
    assert packed.tensors[kernel.path].nbytes == inputs * outputs + -(-inputs // 32) * outputs
    assert packed.entries[kernel.path].axis == -2


def test_statistics_stay_float32(resnet):
    packed = packing.pack_model(resnet, policy_of("fixed(8,6)"))
    statistics = [v for layer in resnet.layers for v in layer.non_trainable_variables]
    assert statistics
    for variable in statistics:
        assert packed.entries[variable.path].number_format is None
        np.testing.assert_array_equal(packed.tensors[variable.path], np.asarray(variable.value))


def test_metadata_say_how_to_read_the_file(lenet, tmp_path):
    from safetensors import safe_open

    policy = parse_policy({"weights": "mxfp4_e2m1", "biases": "float16", "layers": {"logits": "float32"}})
    path = tmp_path / "lenet.safetensors"
    path.write_bytes(packing.to_bytes(packing.pack_model(lenet, policy), policy))
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    described = json.loads(metadata["tensors"])
    kernels = [v for layer in lenet.layers for v in layer.weights if v.name == "kernel"]
    first, last = kernels[0], kernels[-1]
    wanted = {"format": "mxfp4_e2m1", "shape": list(first.shape), "axis": -2, "dtype": "float32"}
    assert described[first.path] == wanted
    assert described[last.path]["format"] is None
    assert described[first.path.replace("kernel", "bias")]["format"] == "float16"
    assert metadata["precision"] and json.loads(metadata["policy"])["weights"] == "mxfp4_e2m1"


def test_two_variables_of_one_path_are_told_apart(tmp_path):
    def part():
        return keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(3, name="dense")])

    first, second = part(), part()
    inputs = keras.Input((3,))
    model = keras.Model(inputs, second(first(inputs)))
    packed = packing.pack_model(model, policy_of("fixed(8,6)"))
    assert len(packed.tensors) == 4
    before = [np.asarray(v.value) for v in model.weights]
    for variable in model.weights:
        variable.assign(np.zeros(variable.shape))
    packing.load_into(model, packed, "file")
    for variable, wanted in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(np.asarray(variable.value), parse("fixed(8,6)").quantize(wanted))


LAYERS = keras.layers
AXES = [
    (LAYERS.Dense(3), (None, 5), {"kernel": -2, "bias": -1}),
    (LAYERS.Conv2D(4, 3), (None, 8, 8, 6), {"kernel": -2, "bias": -1}),
    (LAYERS.Conv2D(4, 3, groups=2), (None, 8, 8, 6), {"kernel": -2, "bias": -1}),
    (LAYERS.Conv2DTranspose(4, 3), (None, 8, 8, 6), {"kernel": -1, "bias": -1}),
    (LAYERS.DepthwiseConv2D(3), (None, 8, 8, 6), {"kernel": -3, "bias": -1}),
    (LAYERS.DepthwiseConv1D(3), (None, 8, 6), {"kernel": -3, "bias": -1}),
    (
        LAYERS.SeparableConv2D(4, 3),
        (None, 8, 8, 6),
        {"depthwise_kernel": -3, "pointwise_kernel": -2, "bias": -1},
    ),
    (LAYERS.Embedding(9, 4), (None, 7), {"embeddings": -1}),
    (LAYERS.GRU(4), (None, 7, 3), {"kernel": -2, "recurrent_kernel": -2, "bias": -1}),
    (LAYERS.EinsumDense("abc,cde->abde", (None, 2, 5)), (None, 3, 4), {"kernel": -3}),
    (LAYERS.EinsumDense("...cd,cde->...e", 5), (None, 3, 4), {"kernel": -2}),
    (LAYERS.PReLU(), (None, 8, 8, 6), {"alpha": -1}),
    (LAYERS.LayerNormalization(axis=(1, 2)), (None, 8, 6), {"gamma": -1, "beta": -1}),
]


@pytest.mark.parametrize(("layer", "shape", "axes"), AXES, ids=[type(row[0]).__name__ for row in AXES])
def test_blocks_run_along_what_a_layer_sums_over(layer, shape, axes):
    layer.build(shape)
    assert {v.name: contraction_axis(layer, v) for v in layer.weights} == axes


def test_blocks_in_the_layers_inside_a_layer():
    layer = LAYERS.MultiHeadAttention(2, 4)
    layer.build((None, 5, 6), (None, 5, 6))
    kernels = {tuple(v.shape): contraction_axis(layer, v) for v in layer.weights if v.name == "kernel"}
    assert kernels == {(6, 2, 4): -3, (2, 4, 6): -2}


def test_a_policy_that_rounds_otherwise_is_refused(lenet):
    with pytest.raises(PrecisionError, match="rounded to nearest, but the policy says floor"):
        packing.pack_model(lenet, parse_policy({"weights": "fixed(8,6)", "rounding": "floor"}))


def test_a_format_whose_codes_lose_values_is_refused(lenet, monkeypatch):
    f = type(parse("posit(8,1)"))
    decode = f.decode
    monkeypatch.setattr(f, "decode", lambda self, *a, **k: decode(self, *a, **k) + np.float32(1))
    with pytest.raises(PrecisionError, match="other values than it rounds to"):
        packing.pack_model(lenet, policy_of("posit(8,1)"))


# What is wrong with a file.


def rewritten(path, tmp_path, change):
    """Return a copy of a packed file after ``change(tensors, described)``."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        described = json.loads(file.metadata()["tensors"])
    tensors = load_file(path)
    described = change(tensors, described) or described
    copy = tmp_path / "changed.safetensors"
    save_file(tensors, copy, {"tensors": json.dumps(described)})
    return copy


@pytest.fixture(scope="module")
def packed_file(lenet, tmp_path_factory):
    path, policy = tmp_path_factory.mktemp("packed") / "lenet.safetensors", policy_of("fixed(6,5)")
    path.write_bytes(packing.to_bytes(packing.pack_model(lenet, policy), policy))
    return path


def first(described):
    return next(name for name in described if name.endswith("kernel"))


CHANGES = {
    "shape": (lambda t, d: d[first(d)].update(shape=[1, 2]), "the file has shape"),
    "negative": (lambda t, d: d[first(d)].update(shape=[-1]), "metadata are damaged"),
    "axis": (lambda t, d: d[first(d)].update(axis=9), "metadata are damaged"),
    "format": (lambda t, d: d[first(d)].update(format="fixd(6,5)"), "unknown format 'fixd"),
    "hostile": (lambda t, d: d[first(d)].update(format="__import__('os')"), "unknown format"),
    "dtype": (lambda t, d: d[first(d)].update(dtype="float16"), "packed from a variable of float16"),
    "no list": (lambda t, d: [1], "metadata are damaged"),
    "keys": (lambda t, d: d[first(d)].pop("axis"), "metadata are damaged"),
    "name": (lambda t, d: d.update(other=d.pop(first(d))), "disagree about"),
    "lacks": (lambda t, d: (t.pop(first(d)), d.pop(first(d)))[:0], "packed from another model"),
    "extra": (
        lambda t, d: (t.update(x=t[first(d)]), d.update(x=d[first(d)]))[:0],
        "'x', which the model lacks",
    ),
    "short": (lambda t, d: t.update({first(d): t[first(d)][:-1].copy()}), "bytes, but got"),
    "floats": (lambda t, d: t.update({first(d): t[first(d)].astype(np.float32)}), "codes are a row of bytes"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_changed_file_is_one_sentence(lenet, packed_file, tmp_path, what):
    change, text = CHANGES[what]
    path = rewritten(packed_file, tmp_path, change)
    before = [np.asarray(v.value) for v in lenet.weights]
    with pytest.raises(PrecisionError) as error:
        packing.load_into(lenet, packing.read(path), path)
    assert text in str(error.value) and str(path) in str(error.value) and "\n" not in str(error.value)
    assert all(np.array_equal(a, v.value) for a, v in zip(before, lenet.weights, strict=True))


def test_files_that_are_no_packed_models(tmp_path, packed_file):
    with pytest.raises(PrecisionError, match="no such file"):
        packing.read(tmp_path / "none")
    whole = packed_file.read_bytes()
    for content in (b"", b"PK\3\4", b"\xff" * 64, whole[: len(whole) // 2], whole[:-1]):
        (tmp_path / "broken").write_bytes(content)
        with pytest.raises(PrecisionError, match="no safetensors file, or a damaged one"):
            packing.read(tmp_path / "broken")
    save_file({"a": np.zeros(3)}, tmp_path / "foreign")
    with pytest.raises(PrecisionError, match="only files written by precision pack"):
        packing.read(tmp_path / "foreign")


# The commands.


def refused(done) -> str:
    assert done.returncode == 2, (done.stdout, done.stderr)
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("precision: "), done.stderr
    return lines[0]


def test_pack_and_unpack(saved, lenet, tmp_path):
    file, back = tmp_path / "lenet.safetensors", tmp_path / "back.keras"
    words = ("--biases", "float16", "--layer", "logits=mxfp4_e2m1", "--output", file)
    done = here(".", "pack", saved, "fixed(6,5)", *words)
    assert done.returncode == 0, done.stderr
    policy = parse_policy({"weights": "fixed(6,5)", "biases": "float16", "layers": {"logits": "mxfp4_e2m1"}})
    assert f"in {weight_memory(lenet, policy).bytes:,} bytes" in done.stdout
    done = here(".", "unpack", file, saved, back)
    assert done.returncode == 0, done.stderr
    received = model_file.load_model(back)
    formats = {item.variable.path: item for item in stored_variables(lenet, policy)}
    for variable in received.weights:
        item = formats[variable.path]
        wanted = item.number_format.quantize(item.values, axis=item.axis)
        np.testing.assert_array_equal(np.asarray(variable.value), wanted)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["back.keras", "lenet.safetensors"]


def test_a_frozen_layer_is_packed_too(tmp_path):
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(8), keras.layers.Dense(2)])
    model.layers[0].trainable = False
    model.save(tmp_path / "frozen.keras")
    assert here(".", "pack", tmp_path / "frozen.keras", "fixed(8,6)").returncode == 0
    tensors = load_file(tmp_path / "frozen.safetensors")
    assert sum(t.nbytes for t in tensors.values()) == model.count_params()


def test_wrong_words(saved, tmp_path):
    out = ("--output", tmp_path / "out.safetensors")
    assert "did you mean 'fixed'" in refused(here(".", "pack", saved, "fixd(8,6)", *out))
    assert "1 <= wl <= 32" in refused(here(".", "pack", saved, "fixed(0,0)", *out))
    assert "NAME=FORMAT" in refused(here(".", "pack", saved, "fixed(8,6)", "--layer", "logits", *out))
    text = refused(here(".", "pack", saved, "fixed(8,6)", "--layer", "logit=float16", *out))
    assert "did you mean 'logits'" in text
    assert list(tmp_path.iterdir()) == []


def test_wrong_model_files(saved, tmp_path):
    out = ("--output", tmp_path / "out.safetensors")
    text = refused(here(".", "pack", saved.with_name("lenett.keras"), "fixed(8,6)", *out))
    assert "there is no such file" in text and "has lenet.keras" in text
    (tmp_path / "old.h5").write_bytes(b"\x89HDF")
    assert "a model is a .keras file" in refused(here(".", "pack", tmp_path / "old.h5", "fixed(8,6)", *out))
    (tmp_path / "text.keras").write_text("text")
    assert "no .keras file" in refused(here(".", "pack", tmp_path / "text.keras", "fixed(8,6)", *out))
    (tmp_path / "half.keras").write_bytes(saved.read_bytes()[:-2000])
    # In a process of its own, which must not show what TensorFlow and Keras say when they start.
    assert "damaged" in refused(precision(".", "pack", tmp_path / "half.keras", "fixed(8,6)", *out))


def test_a_model_that_would_run_code_is_refused(tmp_path):
    flag = tmp_path / "flag"
    layer = keras.layers.Lambda(eval(f"lambda x: (__import__('pathlib').Path({str(flag)!r}).touch(), x)[1]"))
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2), layer])
    model.save(tmp_path / "evil.keras")
    flag.unlink(missing_ok=True)
    text = refused(here(".", "pack", tmp_path / "evil.keras", "fixed(8,6)"))
    assert "Keras cannot load this model" in text and not flag.exists()


def test_an_existing_file_is_kept(saved, packed_file, tmp_path):
    out, back = tmp_path / "out.safetensors", tmp_path / "back.keras"
    for path, words in (
        (out, ("pack", saved, "fixed(8,6)", "--output", out)),
        (back, ("unpack", packed_file, saved, back)),
    ):
        path.write_text("mine")
        assert "this file exists; choose another name or add --force" in refused(here(".", *words))
        assert path.read_text() == "mine"
        assert here(".", *words, "--force").returncode == 0
        assert path.stat().st_size > 1000
    text = refused(here(".", "pack", saved, "fixed(8,6)", "--output", tmp_path / "none" / "x"))
    assert "there is no folder" in text
    assert "must end in .keras" in refused(here(".", "unpack", packed_file, saved, tmp_path / "back.h5"))


def test_another_model(packed_file, tmp_path):
    network("mlp").save(tmp_path / "mlp.keras")
    text = refused(here(".", "unpack", packed_file, tmp_path / "mlp.keras", tmp_path / "back.keras"))
    assert "it was packed from another model" in text
    assert not (tmp_path / "back.keras").exists()


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="needs a limit on the size of files")
@pytest.mark.faults("a full disk under a packed file")
def test_a_full_disk_leaves_nothing(saved, packed_file, tmp_path):
    @contextlib.contextmanager
    def small():
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, handler)

    for words in (
        ("pack", saved, "fixed(8,6)", "--output", tmp_path / "out.safetensors"),
        ("unpack", packed_file, saved, tmp_path / "back.keras"),
    ):
        with small():
            done = here(".", *words)
        assert "cannot be written (File too large)" in refused(done)
        assert list(tmp_path.iterdir()) == []
