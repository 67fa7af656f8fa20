"""The file of a network in ONNX: its bytes, what it says of itself, and how it is read back.

The graph takes ``images``, float32 (N, H, W, C), and gives ``logits``, float32 (N, classes). Its metadata are
texts:

    precision  version of this library
    policy     JSON: the policy
    dialect    ``qdq`` or ``qonnx``
    points     JSON: for each tensor that is rounded {"name", "tensor", "codes", "images", "scale", "zero",
               "element", "second", "pooled"}: the layer, its rounded values and their integer codes in the
               graph (empty where there are none), whether it is what the layer reads, and how codes become
               values; ``second`` says that the channels, last in Keras, are the second axis of the tensor,
               ``pooled`` that the layer takes the largest of the codes, and ``tensor`` is what it hands on
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from precision import __version__, received
from precision.deploy.onnx.refusals import check_installed
from precision.deploy.onnx.writer import IR_VERSIONS, Tensor
from precision.errors import PrecisionError, said
from precision.quantization.policy.policy import Policy

if TYPE_CHECKING:
    from precision.deploy.onnx.context import Context, Point

IMAGES, LOGITS = "images", "logits"
LARGEST = 2**31 - 1  # bytes of a file; ONNX holds no more in one


@dataclass(frozen=True)
class Rounded:
    """A tensor of a file that is rounded.

    Attributes:
        name: of the layer; a later call of it is ``name (call 2)``.
        images: whether it is what the layer reads, and not what it hands on.
        tensor: of the graph: its rounded values.
        codes: of the graph: its integer codes; empty where there are none.
        element: type of ONNX.
        scale, zero: of one or each channel: a code stands for (code - zero) * scale.
        second: whether the channels are the second axis of the tensor.
        pooled: whether the layer takes the largest of the codes, and ``tensor`` is what it hands on.
    """

    name: str
    images: bool
    tensor: str
    codes: str
    element: str
    scale: tuple[float, ...]
    zero: tuple[int, ...]
    second: bool
    pooled: bool

    @property
    def label(self) -> str:
        """What reports call it."""
        return f"{self.name} (images)" if self.images else self.name

    def codes_of(self, values: np.ndarray) -> np.ndarray:
        """Return the codes of rounded values, int64; their channels lie last."""
        return np.rint(values / np.array(self.scale, np.float32)).astype(np.int64) + np.array(self.zero)


@dataclass(frozen=True)
class OnnxFile:
    """A graph, and the tensors that it rounds.

    Attributes:
        model: the message of ONNX.
        points: in the order in which they are computed.
        shape: of one image.
        dialect: ``qdq`` or ``qonnx``.
        sources: the points as the Keras model has them; empty of a file that was read.
    """

    model: Any
    points: tuple[Rounded, ...]
    shape: tuple[int | None, ...]
    dialect: str
    sources: tuple[Point, ...] = ()

    def to_bytes(self) -> bytes:
        """Return the content of the file."""
        content: bytes = self.model.SerializeToString(deterministic=True)
        return content

    @property
    def words(self) -> str:
        """How many nodes and roundings there are."""
        return f"{sum(self.operators().values())} nodes, {len(self.points)} roundings"

    def operators(self) -> dict[str, int]:
        """Return how many nodes of each operator there are."""
        names = [node.op_type for node in self.model.graph.node]
        return {name: names.count(name) for name in sorted(set(names))}


def assembled(context: Context, policy: Policy, dialect: str, begin: Any, end: Any, last: Tensor) -> OnnxFile:
    """Return the file of what was written.

    Args:
        begin, end: the symbolic tensors of the images and the logits.
        last: what the logits are called in the graph.
    """
    from onnx import checker, helper

    writer = context.writer
    writer.nodes.append(helper.make_node("Identity", [last.name], [LOGITS], name=LOGITS))
    kind = writer.type("FLOAT")
    graph = helper.make_graph(
        writer.nodes,
        "precision",
        [helper.make_tensor_value_info(IMAGES, kind, ["N", *begin.shape[1:]])],
        [helper.make_tensor_value_info(LOGITS, kind, ["N", *end.shape[1:]])],
        writer.constants,
    )
    opsets = [helper.make_opsetid(domain, version) for domain, version in writer.domains.items()]
    model = helper.make_model(
        graph,
        opset_imports=opsets,
        ir_version=IR_VERSIONS[writer.domains[""]],
        producer_name="precision",
        producer_version=__version__,
    )
    points = tuple(map(_rounded, context.points))
    helper.set_model_props(
        model,
        {
            "precision": __version__,
            "policy": json.dumps(policy.to_json()),
            "dialect": dialect,
            "points": json.dumps([vars(point) for point in points]),
        },
    )
    checker.check_model(model, full_check=dialect == "qdq")
    return OnnxFile(model, points, tuple(begin.shape[1:]), dialect, tuple(context.points))


def _rounded(point: Point) -> Rounded:
    return Rounded(
        point.name,
        point.images,
        point.tensor.name,
        point.codes,
        point.rounding.element.type,
        tuple(map(float, point.rounding.scale)),
        tuple(map(int, point.rounding.zero)),
        point.tensor.second,
        point.pooled,
    )


def read(path: str | Path) -> OnnxFile:
    """Return the content of a file that an export wrote.

    Raises:
        PrecisionError: when it is missing, damaged, or was written by another program.
    """
    return of_bytes(received.read(path, LARGEST, "*.onnx"), str(path))


def of_bytes(content: bytes, name: str) -> OnnxFile:
    """Return what the content of a file stands for; ``name`` begins the sentence of an error.

    Raises:
        PrecisionError: as :func:`read`.
    """
    check_installed()
    import onnx

    try:
        model = onnx.load_model_from_string(content)
        onnx.checker.check_model(model)
    except Exception as error:  # of protobuf or of the checker, which have no class in common
        raise PrecisionError(f"{name}: this is no ONNX file, or a damaged one ({said(error)})") from None
    texts = {entry.key: entry.value for entry in model.metadata_props}
    try:
        points = tuple(
            Rounded(**{**row, "scale": tuple(row["scale"]), "zero": tuple(row["zero"])})
            for row in json.loads(texts["points"])
        )
        dialect = texts["dialect"]
        (images,) = (value for value in model.graph.input if value.name == IMAGES)
    except (KeyError, ValueError, TypeError):
        raise PrecisionError(
            f"{name}: this ONNX file was not written by precision export, so that what it rounds is not known"
        ) from None
    sizes = [size.dim_value or None for size in images.type.tensor_type.shape.dim[1:]]
    return OnnxFile(model, points, tuple(sizes), dialect)


def stored(file: OnnxFile) -> dict[str, np.ndarray]:
    """Return the constants of a file by name, as an independent reader finds them."""
    from onnx import numpy_helper

    return {tensor.name: numpy_helper.to_array(tensor) for tensor in file.model.graph.initializer}
