"""The run-time of LiteRT for a certificate: the codes of every tensor, under the names of the network."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from precision.data import as_float
from precision.deploy.lite.contents import listed
from precision.deploy.lite.interpreter import Kernels, Session
from precision.deploy.lite.predictor import real, taken
from precision.deploy.lite.writer import Written


class LiteRuntime:
    """Runs a file for a certificate.

    Args:
        file: the content of one, or what was written from a network of integers.
        kernels: of the run-time, and its ``threads``.
    """

    def __init__(self, file: bytes | Written, kernels: Kernels = "reference", threads: int = 1) -> None:
        self._written = file if isinstance(file, Written) else None
        self._kernels, self._threads = kernels, threads
        self._session = Session(
            file.content if isinstance(file, Written) else file, kernels=kernels, threads=threads
        )
        self._inspected: Session | None = None

    @property
    def facts(self) -> Mapping[str, str]:
        """Its version and kernels, sha256 of the file and its library, and the operators of real numbers."""
        return {**self._session.facts, "real_operators": listed(self._session.content)}

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return what the file returns, float32 (N, outputs), for images as they are stored."""
        images = np.asarray(as_float(images), np.float32)
        read = taken(self._session, images) if self._written is None else self._written.read(images)
        return real(self._session.run(read)[0], self._session.outputs[0])

    def codes(self, images: np.ndarray) -> Mapping[str, np.ndarray]:
        """Return the codes of every integer tensor as the network has them, int16, by its labels.

        They come from a twin of the file that returns all of them, so that no kernel may keep one to itself.
        """
        assert self._written is not None  # others have no network to be compared with
        if self._inspected is None:
            self._inspected = Session(self._written.inspected, kernels=self._kernels, threads=self._threads)
        read = self._written.read(images)
        outputs = self._inspected.run(read)
        found = {int(d["index"]): y for d, y in zip(self._inspected.outputs, outputs, strict=True)}
        (begin,) = self._inspected.inputs
        found[int(begin["index"])] = read
        return {
            name: found[index].astype(np.int16) + self._written.grids[name].offset
            for name, index in self._written.tensors.items()
        }
