"""A training that was cut off goes on from its last finished epoch, and ends with the same bits.

What is kept is every variable of the model, with the seeds of its dropout and the steps of its stochastic
rounding, every variable of its optimizer, with its loss scale, and the history. The order of the images and
their augmentation follow from seed and epoch alone. Networks that draw from generators of TensorFlow or NumPy
themselves, instead of ``keras.random``, are beyond this.
"""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from precision import files, points, received, room
from precision.errors import said
from precision.measure.machine.processor import cores, processor
from precision.measure.machine.settings import settings
from precision.quantization.layers.graph import has_shared_generator, shared_generator
from precision.startup import started
from precision.trial import NUMERICS_VERSION, Trial

History = list[dict[str, float]]


class Checkpoint:
    """The file from which a training goes on; it is there entirely or not at all.

    Attributes:
        facts: what happened to it, for the record of the trial: ``resumed_after_epoch`` when a training went
            on, ``checkpoint`` when one could not be used or written.

    Args:
        folder: of the trial's checkpoint, which holds nothing else.
        every: seconds that pass at least from one checkpoint to the next; they are written between epochs.
    """

    def __init__(self, folder: Path, trial: Trial, every: float) -> None:
        self.facts: dict[str, str] = {}
        self._path, self._every = folder / "state.npz", every
        self._origin = {"trial": trial.id, **_surroundings()}
        self._written = time.monotonic()

    def resume(self, model: Any, before_epoch: Callable[[int], None]) -> History:
        """Bring a compiled model to where its training was cut off, and return the history up to there.

        Nothing is changed, and the history is empty, when there is no checkpoint or it is of other things.

        Args:
            before_epoch: what is done with the model when an epoch begins, counted from 1; it is done for
                every epoch of the history.
        """
        try:
            header, values = self._read()
            self._check_origin(header["origin"])
            history: History = header["history"]
            before_epoch(1)
            model.optimizer.build(model.trainable_variables)  # as the first epoch does
            variables = _variables(model, header["draws"])
            if [_kind(variable) for variable in variables] != header["kinds"]:
                raise ValueError("it is of a network of other variables")
        except FileNotFoundError:
            return []
        except KeyError as error:
            self.facts["checkpoint"] = f"ignored: it lacks {error}"
            return []
        except (OSError, ValueError, TypeError, AttributeError) as error:
            self.facts["checkpoint"] = f"ignored: {str(error) or type(error).__name__}"
            return []
        for row in history[1:]:
            before_epoch(int(row["epoch"]))
        for variable, value in zip(variables, values, strict=True):
            like = variable.numpy()
            variable.assign(np.frombuffer(value.tobytes(), like.dtype).reshape(like.shape))
        self.facts["resumed_after_epoch"] = str(len(history))
        return history

    def offer(self, model: Any, history: History) -> None:
        """Write a checkpoint if the last one is long enough ago.

        Raises:
            NoRoomError: on a full disk, on which what comes of the training could not be stored either.
        """
        if time.monotonic() - self._written < self._every:
            return
        draws = has_shared_generator()
        variables = _variables(model, draws)
        header = {
            "origin": self._origin,
            "kinds": [_kind(variable) for variable in variables],
            "draws": draws,
            "history": history,
        }
        values = {f"v{i}": _bytes(variable.numpy()) for i, variable in enumerate(variables)}
        try:
            self._write(header=_bytes(json.dumps(header).encode()), **values)
        except OSError as error:
            if missing := room.missing(error, self._path):
                raise missing from None
            self.facts["checkpoint"] = f"not written: {error.strerror or error}"
        self._written = time.monotonic()
        points.reached("checkpoint kept")

    def _write(self, **arrays: np.ndarray) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        files.write(self._path, lambda draft: np.savez(draft, **arrays))  # type: ignore[arg-type]

    def _read(self) -> tuple[dict[str, Any], list[np.ndarray]]:
        """Return the header and the bytes of each variable, all of it: a torn file ends here."""
        content = io.BytesIO(received.stored(self._path, received.memory())[1])
        try:
            with zipfile.ZipFile(content) as archive:
                if any(part.compress_size != part.file_size for part in archive.infolist()):
                    raise ValueError("its parts are compressed, as ours never are")
                torn = archive.testzip()
            if torn is not None:
                raise ValueError(f"its part {torn} is damaged")
            content.seek(0)
            with np.load(content, allow_pickle=False) as arrays:
                header = json.loads(arrays["header"].tobytes())
                return header, [arrays[f"v{i}"] for i in range(len(header["kinds"]))]
        except KeyError:
            raise
        except Exception as error:  # a damaged archive can lead to anything
            raise ValueError(said(error)) from None

    def _check_origin(self, theirs: dict[str, str]) -> None:
        for name, here in self._origin.items():
            if theirs.get(name) != here:
                raise ValueError(f"it was written with {name} {theirs.get(name)!r}, but here it is {here!r}")


def _variables(model: Any, draws: bool) -> list[Any]:
    """Return all that training changes; ``draws`` adds the generator of layers without one of their own."""
    generator = [shared_generator().state] if draws else []
    return [*model.variables, *model.optimizer.variables, *generator]


def _kind(variable: Any) -> str:
    return f"{variable.dtype}{list(variable.shape)}"


def _bytes(value: np.ndarray | bytes) -> np.ndarray:
    """Return the bytes of a value: a file of NumPy has no bfloat16."""
    return np.frombuffer(value if isinstance(value, bytes) else value.tobytes(), np.uint8)


def _surroundings() -> dict[str, str]:
    """Return what else the bits of a training follow from."""
    here = started()
    return {
        "numerics": str(NUMERICS_VERSION),
        **here,
        "threads": here["threads"] or str(len(cores())),
        "keras": keras.__version__,
        "numpy": np.__version__,
        "processor": processor(),
        "settings": settings(),
    }
