"""From a stored trial to a file that a runtime of another project runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from precision.errors import PrecisionError
from precision.methods.restored import Restoring, evaluated
from precision.quantization import Policy
from precision.trial import TrialResult

if TYPE_CHECKING:
    from precision.deploy.onnx.file import OnnxFile


def as_onnx(
    result: TrialResult, bench: Restoring, *, dialect: str = "qdq", int32_biases: bool = False
) -> OnnxFile:
    """Return the network that a trial evaluated as an ONNX file.

    Of a network of integers the biases are those integers.

    Args:
        dialect, int32_biases: as of :func:`precision.deploy.onnx.conversion.onnx_file`.

    Raises:
        PrecisionError: for a network that ONNX has no part for, and weights that are gone.
    """
    from precision.deploy.integer import IntegerPredictor
    from precision.deploy.lite.predictor import LitePredictor
    from precision.deploy.onnx.conversion import onnx_file
    from precision.deploy.onnx.predictor import OnnxPredictor

    predictor = evaluated(result, bench)
    if isinstance(predictor, OnnxPredictor) and dialect == predictor.file.dialect:
        return predictor.file
    if isinstance(predictor, LitePredictor):
        raise PrecisionError(
            f"trial {result.trial.id} evaluated a LiteRT file; export it to a .tflite file, or give the "
            "model file of its network with --policy"
        )
    policy = Policy.from_json(result.trial.policy)
    if isinstance(predictor, IntegerPredictor):
        if given := policy.in_integers:
            slot, setting = next(iter(given.items()))
            raise PrecisionError(
                f"trial {result.trial.id} computes with {slot} in {setting}, which ONNX cannot say; export a "
                "trial without them"
            )
        int32_biases = dialect == "qdq"
    return onnx_file(predictor.model, policy, dialect=dialect, int32_biases=int32_biases)


def as_tflite(result: TrialResult, bench: Restoring) -> bytes:
    """Return the content of the LiteRT file of a trial; see ``precision.methods.certified.lite_file``."""
    from precision.methods.certified import deployable, lite_file

    return lite_file(deployable(result, bench))


WRITERS: dict[str, Callable[[TrialResult, Restoring], bytes]] = {
    ".tflite": as_tflite,
    ".onnx": lambda result, bench: as_onnx(result, bench, int32_biases=True).to_bytes(),
}
"""By the ending of a file, what returns its content for a trial."""

EVALUATED = {"lite": ".tflite", "onnx": ".onnx"}
"""By the method of a trial the ending of the file that it evaluates, and that alone is taken elsewhere."""
