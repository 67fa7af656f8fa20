"""The run-time: ai_edge_litert, or the interpreter that TensorFlow ships where that is not installed."""

from __future__ import annotations

import functools
import hashlib
import importlib
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from precision.deploy.lite.schema import from_bytes
from precision.errors import PrecisionError, said
from precision.startup import silence

Kernels = Literal["default", "reference"]
KERNELS = {"default": "BUILTIN", "reference": "BUILTIN_REF"}
"""By name, the resolver of operators; the default one takes XNNPACK where that knows an operator."""
_PLACES = (  # of the interpreter: module, package, the library that computes
    ("ai_edge_litert.interpreter", "ai-edge-litert", "libpywrap_litert_common.so"),
    ("tensorflow.lite.python.interpreter", "tensorflow", "libpywrap_tflite_common.so"),
)


@dataclass(frozen=True)
class Installed:
    """A run-time that can be imported.

    Attributes:
        module: with the class ``Interpreter``.
        package: that it comes from, and its ``version``.
        library: the file that computes; None where it is not found.
    """

    module: Any
    package: str
    version: str
    library: Path | None

    @functools.cached_property
    def digest(self) -> str:
        """The sha256 of the library; empty where it is not found."""
        if self.library is None:
            return ""
        with self.library.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()


@functools.cache
def installed() -> Installed:
    """Return the run-time.

    Raises:
        PrecisionError: where there is none.
    """
    for name, package, library in _PLACES:
        try:
            module = importlib.import_module(name)
            found = version(package)
        except (ImportError, PackageNotFoundError):
            continue
        home = Path(str(module.__file__)).parent
        path = next(
            (path for path in (home / library, home / "interpreter_wrapper" / library) if path.is_file()),
            None,
        )
        return Installed(module, package, found, path)
    raise PrecisionError(
        "there is no run-time for LiteRT files: neither ai_edge_litert nor the interpreter of TensorFlow can "
        "be imported; pip install 'precision[lite]'"
    )


class Session:
    """A file that is ready to run.

    Args:
        content: of the file.
        name: of the file, for errors.
        kernels: ``default``, those of a device, or ``reference``, plain loops whose rounding is documented.
        threads: of an operator that shares its work.

    Raises:
        PrecisionError: for a damaged or foreign file, and one with an operator that the run-time lacks.
    """

    def __init__(
        self, content: bytes, name: str = "the LiteRT file", kernels: Kernels = "default", threads: int = 1
    ) -> None:
        from_bytes(content, name)  # the run-time itself trusts what it reads
        self.content, self.kernels, self.threads = content, kernels, threads
        self._name, self._images = name, 0
        found = installed()
        resolver = getattr(found.module.OpResolverType, KERNELS[kernels])
        with warnings.catch_warnings(), self._refused():
            warnings.simplefilter("ignore")  # TensorFlow announces that ai_edge_litert will follow it
            with silence():  # each names its kernels
                self._interpreter = found.module.Interpreter(
                    model_content=content, num_threads=threads, experimental_op_resolver_type=resolver
                )
                self.inputs = self._interpreter.get_input_details()
        if len(self.inputs) != 1:
            raise PrecisionError(
                f"{name}: it takes {len(self.inputs)} tensors, and a network of images takes one"
            )
        self._batched = int(self.inputs[0]["shape_signature"][0]) == -1  # or made for one image at a time
        with self._refused(), silence():
            self._allocate(1)
        self.outputs = self._interpreter.get_output_details()

    @property
    def facts(self) -> Mapping[str, str]:
        """What runs the file."""
        found = installed()
        return {
            "runtime": f"{found.package} {found.version}",
            "runtime_sha256": found.digest,
            "kernels": self.kernels,
            "threads": str(self.threads),
            "file_bytes": str(len(self.content)),
            "file_sha256": hashlib.sha256(self.content).hexdigest(),
        }

    def run(self, x: np.ndarray) -> list[np.ndarray]:
        """Return the outputs for what the file takes, (images, ...)."""
        taken = self.inputs[0]
        wanted = tuple(int(size) for size in taken["shape_signature"])[1:]
        if x.shape[1:] != wanted:
            raise PrecisionError(
                f"{self._name}: it takes images of the shape {wanted}, but got {x.shape[1:]}"
            )
        with self._refused():
            if self._batched:
                return self._run(x)
            single = [self._run(image[None]) for image in x]
        return [np.concatenate(parts) for parts in zip(*single, strict=True)]

    def _run(self, x: np.ndarray) -> list[np.ndarray]:
        taken = self.inputs[0]["index"]
        if len(x) != self._images:
            self._allocate(len(x))
        self._interpreter.set_tensor(taken, np.ascontiguousarray(x, self.inputs[0]["dtype"]))
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(output["index"]) for output in self.outputs]

    def _allocate(self, images: int) -> None:
        taken = self.inputs[0]
        if self._batched:
            self._interpreter.resize_tensor_input(taken["index"], [images, *taken["shape"][1:]])
        self._interpreter.allocate_tensors()
        self._images = images

    @contextmanager
    def _refused(self) -> Iterator[None]:
        """Turn what the run-time raises into one sentence."""
        try:
            yield
        except PrecisionError:
            raise
        except (ValueError, RuntimeError) as error:
            raise PrecisionError(
                f"{self._name}: the run-time refuses this LiteRT file: {said(error)}"
            ) from None
