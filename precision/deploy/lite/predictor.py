"""A LiteRT file as it is evaluated: images in, logits out, by the run-time of a device."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from precision.arithmetic.integer.network import IntegerNetwork
from precision.data import as_float
from precision.deploy.lite.interpreter import Session
from precision.deploy.lite.writer import Written
from precision.measure.counted.effective import spans, spans_of
from precision.measure.counted.packed import WeightMemory, activation_bits, weight_memory
from precision.measure.counted.trial import Counts, counts
from precision.quantization.policy.policy import Policy


class LitePredictor:
    """A LiteRT file as it is evaluated.

    Args:
        session: the file, ready to run.
        policy: whose formats it has.
        network: the float32 Keras network before any rounding, whose variables are counted in these formats.
        integers: the network that the file was written from, with its tensors; None for another's file.
        facts: of how the file was made, by name.
    """

    def __init__(
        self,
        session: Session,
        policy: Policy,
        network: Any,
        integers: tuple[IntegerNetwork, Written] | None = None,
        facts: dict[str, str] | None = None,
    ) -> None:
        self.session, self.policy, self.network = session, policy, network
        self.integers, self.facts = integers, facts or {}

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return the logits, float32 (N, classes), of a batch of images."""
        images = np.asarray(as_float(images), np.float32)
        read = taken(self.session, images) if self.integers is None else self.integers[1].read(images)
        return real(self.session.run(read)[0], self.session.outputs[0])

    def memory(self) -> WeightMemory:
        """Return what the variables take, packed without gaps; the file has more in it."""
        return weight_memory(self.network, self.policy)

    def activation_bits(self) -> float:
        """Return the bits of an activation between layers; NaN where layers differ."""
        return activation_bits(self.network, self.policy)

    def counts(self) -> Counts:
        """Return what one inference computes and holds."""
        if self.integers is None:
            return counts(self.network, self.policy, spans_of(self.network))
        linear = self.integers[0].linear
        return counts(self.network, self.policy, {layer.name: spans(layer.w) for layer in linear})

    def forget(self) -> None:
        """Begin anew; a file notes nothing of images."""

    def observed(self) -> tuple[dict[str, float], dict[str, str]]:
        """Return the size of the file, and what it is and what ran it."""
        told = self.session.facts
        threads = "1 thread" if self.session.threads == 1 else f"{self.session.threads} threads"
        facts = {
            "deployed_runtime": f"{told['runtime']}, {told['kernels']} kernels, {threads}",
            "deployed_runtime_sha256": told["runtime_sha256"],
            "deployed_file_sha256": told["file_sha256"],
        }
        return {"file_bytes": len(self.session.content)}, {**self.facts, **facts}

    def digest(self) -> str:
        """Return a sha256 of the file."""
        return hashlib.sha256(self.session.content).hexdigest()


def taken(session: Session, images: np.ndarray) -> np.ndarray:
    """Return what a file takes for images, float32: the nearest codes, where it takes codes."""
    details = session.inputs[0]
    scale, zero = details["quantization"]
    if not scale:
        return images.astype(details["dtype"])
    ends = np.iinfo(details["dtype"])
    with np.errstate(all="ignore"):
        codes = np.rint(images / np.float32(scale)) + zero
    return np.clip(codes, ends.min, ends.max).astype(details["dtype"])


def real(output: np.ndarray, details: dict[str, Any]) -> np.ndarray:
    """Return what a file returned, as float32."""
    scale, zero = details["quantization"]
    if not scale:
        return output.astype(np.float32)
    return ((output.astype(np.int64) - zero) * float(scale)).astype(np.float32)
