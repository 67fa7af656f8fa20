"""The program of a bundle: what it says of processors, how it times, and what it gives an interpreter."""

import itertools
import sys
import types

import numpy as np
import pytest

from precision.deploy.bundle import run

IMAGES = np.array([[0.0, 0.25], [0.26, 1.0], [-1.0, 3.0]], np.float32)
AMD = "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\n"
ARM = "processor\t: 0\nCPU implementer\t: 0x41\nHardware\t: BCM2835\n"


@pytest.mark.parametrize(
    ("architecture", "processors", "process", "told"),
    [
        ("x86_64", AMD, "python3", ""),
        ("aarch64", ARM, "python3", ""),
        ("aarch64", AMD, "python3", "emulated processor"),  # shows the machine below
        ("aarch64", ARM, "qemu-aarch64-st", "emulated processor"),
        ("x86_64", "model name : QEMU TCG CPU version 2.5+", "python3", "emulated processor"),
    ],
)
def test_an_imitated_processor_is_told(architecture, processors, process, told):
    assert run.emulated(architecture, processors, process) == told


def test_what_the_system_says_is_read():
    assert run.field(ARM, "model name", "Hardware") == "BCM2835" and run.field(ARM, "nothing") == ""
    assert run.kilobytes("/proc/meminfo", "MemTotal") > 1000
    assert run.kilobytes("/proc/no-such-file", "MemTotal") is None
    assert all(values for values in run.sensors().values())  # what there is not is left out
    here = run.machine("a board")
    assert here["name"] == "a board" and here["cores"] >= 1


def test_calls_that_warm_up_do_not_count():
    """The first calls take a second each, the others 1, 2, 3, ... ms."""
    taken = itertools.chain([1.0] * run.WARM, (k / 1000 for k in itertools.count(1)))
    now = itertools.accumulate(itertools.chain.from_iterable((0.0, each) for each in taken))
    calls = []
    found = run.latency(calls.append, IMAGES, clock=lambda: next(now))
    assert found["calls"] == len(calls) - run.WARM == 63  # until they have taken two seconds
    assert found["median_ms"] == pytest.approx(32) and found["p95_ms"] == pytest.approx(60)
    np.testing.assert_array_equal(calls[4], IMAGES[1:2])


class Interpreter:
    """What LiteRT offers, of a network that hands on what it reads."""

    def __init__(self, model_path, num_threads):
        assert (model_path, num_threads) == ("model.tflite", 2)

    def allocate_tensors(self):
        pass

    def get_input_details(self):
        return [{"index": 3, "dtype": np.int8, "quantization": (0.5, -1)}]

    def get_output_details(self):
        return [{"index": 4}]

    def set_tensor(self, index, value):
        assert index == 3
        self.given = value

    def invoke(self):
        self.done = self.given

    def get_tensor(self, index):
        assert index == 4
        return self.done


def test_a_file_of_integers_is_given_codes(monkeypatch):
    module = types.ModuleType("ai_edge_litert.interpreter")
    module.Interpreter = Interpreter
    monkeypatch.setitem(sys.modules, "ai_edge_litert", types.ModuleType("ai_edge_litert"))
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", module)
    runtime, compute = run.open_litert(run.Path("model.tflite"), 2)
    assert runtime.startswith("ai-edge-litert ")
    found = np.concatenate([compute(image[None]) for image in IMAGES])
    assert found.dtype == np.int8
    assert found.tolist() == [[-1, -1], [0, 1], [-3, 5]]  # 0.25 lies in the middle, and goes to the even step


def test_a_runtime_that_ends_the_process_is_told():
    import os

    with pytest.raises(run.BundleError, match="the runtime ended the process"):
        run.apart(lambda: os._exit(1))
    with pytest.raises(run.BundleError, match="ZeroDivisionError"):
        run.apart(lambda: 1 / 0)
    found, logits = run.apart(lambda: ({"a": 1}, np.arange(6.0).reshape(2, 3)))
    assert found == {"a": 1} and logits.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_runtime_that_is_missing_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(run.BundleError, match=r"\.onnx files need onnxruntime; pip install it"):
        run.open_onnx(run.Path("x.onnx"), 1)


def test_bits_and_classes_are_counted_apart():
    expected = np.array([[1.0, 2.0], [4.0, 3.0], [0.0, 0.5], [np.nan, 1.0]], np.float32)
    given = expected.copy()
    given[0, 0] = np.nextafter(np.float32(1), np.float32(2))  # the last bit
    given[1] = 3.0, 4.0
    found = run.agreement(given[:3], expected[:3])
    assert found == {"images": 3, "bits": 1, "classes": 2, "largest": 1.0}
    # NaN has no distance, and equal bits are equal nevertheless.
    assert run.agreement(given[2:], expected[2:]) == {"images": 2, "bits": 2, "classes": 2}
    other = run.agreement(given[:3].astype(np.int8), expected[:3])
    assert other == {"images": 3, "bits": 0, "classes": 0}
