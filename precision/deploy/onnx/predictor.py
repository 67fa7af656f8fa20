"""A file of ONNX as it is evaluated: by ONNX Runtime, on the processor."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from precision.data import as_float
from precision.deploy.onnx.file import IMAGES, LOGITS, OnnxFile
from precision.deploy.predictor import KerasPredictor
from precision.errors import PrecisionError, said
from precision.measure.counted.effective import spans_of
from precision.measure.counted.packed import WeightMemory, activation_bits, weight_memory
from precision.measure.counted.trial import Counts, counts
from precision.quantization.policy.policy import Policy

FUSED, AS_WRITTEN = "fused", "as_written"


class OnnxPredictor:
    """A file of ONNX, run by ONNX Runtime.

    Args:
        file: as an export wrote it.
        policy: that it was written under.
        source: the float32 network before any rounding, whose variables are counted in the formats of the
            policy.
        model: the Keras network that the file was written from.
        threads: of the runtime; None takes as many as there are cores.
        kernels: ``fused`` lets the runtime replace what lies between two roundings by kernels of integers,
            ``as_written`` computes every node as it stands in the file, in float32 between the roundings.

    Raises:
        PrecisionError: for a graph that the runtime refuses, such as one of the dialect qonnx.
    """

    def __init__(
        self,
        file: OnnxFile,
        policy: Policy | None = None,
        source: Any = None,
        model: Any = None,
        *,
        threads: int | None = None,
        kernels: str = FUSED,
    ) -> None:
        self.file, self.policy, self.network, self.model = file, policy or Policy(), source, model
        self.threads, self.kernels = threads, kernels
        self.content = file.to_bytes()
        self._session = session(self.content, threads=threads, kernels=kernels)

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return the logits, float32 (N, classes), of a batch of images."""
        images = np.asarray(as_float(images), np.float32)
        check_images(images, self.file.shape)
        return np.asarray(self._session.run([LOGITS], {IMAGES: images})[0], np.float32)

    def tensors(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Return the integer codes of every tensor that is rounded to integers, by the labels of the points.

        Their axes are those of Keras: (N, ..., channels). The kernels are those of :meth:`logits`.
        """
        points = [point for point in self.file.points if point.codes]
        names = [point.tensor if point.pooled else point.codes for point in points]
        found = [_as_keras(x, p.second) for x, p in zip(self._rounded(images, names), points, strict=True)]
        return {p.label: p.codes_of(x) if p.pooled else x for x, p in zip(found, points, strict=True)}

    def unpooled(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Return, of tensors whose layer takes the largest of codes, all codes before it."""
        points = [point for point in self.file.points if point.pooled and point.codes]
        found = self._rounded(images, [point.codes for point in points])
        return {p.label: _as_keras(x, x.ndim > 2) for x, p in zip(found, points, strict=True)}

    def values(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Return the rounded values of the other tensors that are rounded, likewise, float32."""
        points = [point for point in self.file.points if not point.codes]
        found = self._rounded(images, [point.tensor for point in points])
        return {p.label: _as_keras(x, p.second) for x, p in zip(found, points, strict=True)}

    def _rounded(self, images: np.ndarray, names: Sequence[str]) -> list[np.ndarray]:
        if not names:
            return []
        content = with_results(self.content, names)
        running = session(content, threads=self.threads, kernels=self.kernels)
        found: list[np.ndarray] = running.run(list(names), {IMAGES: np.asarray(as_float(images), np.float32)})
        return found

    def memory(self) -> WeightMemory:
        """Return what the variables take, packed without gaps."""
        return weight_memory(self.network, self.policy)

    def activation_bits(self) -> float:
        """Return the bits of an activation between layers; NaN where layers differ."""
        return activation_bits(self.network, self.policy)

    def counts(self) -> Counts:
        """Return what one inference computes and holds, with the weights as they are rounded."""
        return counts(self.network, self.policy, spans_of(self.model))

    def forget(self) -> None:
        """Begin anew: nothing is noted of images."""

    @property
    def facts(self) -> dict[str, str]:
        """What runs the file: its version and kernels, and the sha256 of the file and of its library."""
        return {
            **runtime(),
            "kernels": self.kernels,
            "threads": str(self.threads or "all"),
            "file_bytes": str(len(self.content)),
            "file_sha256": hashlib.sha256(self.content).hexdigest(),
        }

    def observed(self) -> tuple[dict[str, float], dict[str, str]]:
        """Return the size of the file, and what it is and what ran it."""
        told = self.facts
        nodes = ", ".join(f"{count} {name}" for name, count in self.file.operators().items())
        facts = {
            "deployed": f"ONNX, {nodes}",
            "deployed_runtime": f"{told['runtime']}, {self.kernels} kernels, threads {told['threads']}",
            "deployed_runtime_sha256": told["runtime_sha256"],
            "deployed_file_sha256": told["file_sha256"],
        }
        return {"file_bytes": len(self.content)}, facts

    def digest(self) -> str:
        """Return a sha256 of the variables of the model, or of the file where there is no model."""
        if self.model is not None:
            return KerasPredictor(self.model).digest()
        return hashlib.sha256(self.content).hexdigest()


@functools.cache
def runtime() -> dict[str, str]:
    """Return the version of ONNX Runtime, and the sha256 of the library that computes."""
    import onnxruntime

    home = Path(onnxruntime.__file__).parent / "capi"
    library = next(iter(sorted(home.glob("onnxruntime_pybind11_state*"))), None)
    digest = ""
    if library is not None:
        with library.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"runtime": f"onnxruntime {onnxruntime.__version__}", "runtime_sha256": digest}


def session(content: bytes, *, threads: int | None = None, kernels: str = FUSED) -> Any:
    """Return a session of ONNX Runtime on the processor.

    Raises:
        PrecisionError: when the runtime is not installed, or refuses the graph.
    """
    try:
        import onnxruntime
    except ImportError:
        raise PrecisionError(
            "ONNX files are run by onnxruntime, which is not installed; pip install 'precision[onnx]'"
        ) from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors, which are raised anyway
    options.intra_op_num_threads = threads or 0
    options.inter_op_num_threads = 1
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if kernels == FUSED else levels.ORT_DISABLE_ALL
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime has a class for each of its statuses
        raise PrecisionError(
            f"ONNX Runtime {onnxruntime.__version__} refuses the file: {said(error)}"
        ) from None


def with_results(content: bytes, names: Sequence[str]) -> bytes:
    """Return a file that hands out more tensors than its logits."""
    import onnx

    model = onnx.shape_inference.infer_shapes(onnx.load_model_from_string(content))
    known = {value.name: value for value in model.graph.value_info}
    model.graph.output.extend(known[name] for name in dict.fromkeys(names))
    return bytes(model.SerializeToString())


def check_images(images: np.ndarray, shape: tuple[int | None, ...]) -> None:
    """Refuse images of another shape than the file takes.

    Raises:
        PrecisionError: with both shapes.
    """
    found = images.shape[1:]
    if len(found) != len(shape) or any(
        size not in (None, given) for size, given in zip(shape, found, strict=True)
    ):
        raise PrecisionError(f"the ONNX file takes images of shape {shape}, but got {tuple(found)}")


def _as_keras(values: np.ndarray, second: bool) -> np.ndarray:
    return np.moveaxis(values, 1, -1) if second else values
