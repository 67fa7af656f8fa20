"""Write a bundle: models, a sample of test images, and the program that measures another machine.

bundle.json   what is in it: {"version", "precision", "dataset", "sample", "models"}, each file with its
              sha256; the sha256 of this file names the bundle
sample.npz    images, as they are stored (uint8 or float32), and labels, int64
expected.npz  what each model gives for them here, by its file: the bits that another machine is held against;
              a model that is not run here, for want of a run-time, is not in it
run.py        measures; a copy of the file beside this one
*.onnx ...    the models
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from precision import __version__, files, received
from precision.data import Dataset
from precision.deploy.bundle.run import RUNTIMES, VERSION, as_float
from precision.errors import PrecisionError
from precision.tasks import CLASSIFICATION

DESCRIPTION, SAMPLE, EXPECTED, PROGRAM = "bundle.json", "sample.npz", "expected.npz", "run.py"


@dataclass(frozen=True)
class Model:
    """A file to be measured.

    Attributes:
        file: its name, which ends as its kind does: ``.onnx``, ``.tflite``.
        content: of the file.
        trial: id of the trial that it is of.
        facts: what else results are to say of it: plain data.
    """

    file: str
    content: bytes
    trial: str
    facts: dict[str, Any]


def write(path: Path, models: Sequence[Model], dataset: Dataset, count: int = 500) -> bytes:
    """Write a bundle, entirely or not at all, and return the content of its bundle.json.

    Args:
        path: of the folder, which does not exist yet.
        dataset: from whose test part the images are chosen, the same ones each time.
        count: how many images; fewer where there are no more.

    Raises:
        PrecisionError: when the folder exists, there is no model, or the task has no classes to tell.
    """
    check_free(path)
    if not models:
        raise PrecisionError("a bundle needs a model; name a trial with a network that can be deployed")
    if dataset.asks is not CLASSIFICATION:
        raise PrecisionError(
            f"a bundle counts images that are told right, but the task of {dataset.name} is {dataset.task}"
        )
    for model in models:
        if Path(model.file).suffix not in RUNTIMES:
            raise PrecisionError(
                f"{model.file}: the runner of a bundle runs {' and '.join(sorted(RUNTIMES))} files"
            )
    sample = sampled(dataset, count)
    given, runtimes = _given(models, sample)
    described = {
        "version": VERSION,
        "precision": __version__,
        "dataset": {"name": dataset.name, "title": dataset.title, "digest": dataset.digest()},
        "sample": {"file": SAMPLE, "sha256": _sha256(sample)},
        "expected": {"file": EXPECTED, "sha256": _sha256(given), "architecture": platform.machine()}
        | {"runtimes": runtimes},
        "models": [
            {"file": model.file, "sha256": _sha256(model.content), "bytes": len(model.content)}
            | {"trial": model.trial, **model.facts}
            for model in models
        ],
    }
    content = (json.dumps(described, indent=1) + "\n").encode()
    contents = {DESCRIPTION: content, SAMPLE: sample, EXPECTED: given}
    contents[PROGRAM] = Path(__file__).with_name(PROGRAM).read_bytes()
    contents |= {model.file: model.content for model in models}

    def fill(folder: Path) -> None:
        for name, part in contents.items():
            (folder / name).write_bytes(part)

    with files.refused(path, "cannot be written"):
        files.write_folder(path, fill)
    return content


def check_free(path: Path) -> None:
    """Refuse a place where no folder can be made, before the work is done.

    Raises:
        PrecisionError: also when something is there.
    """
    received.check_name(path)
    if path.exists() or path.is_symlink():
        raise PrecisionError(f"{path}: this exists; a bundle is written to a new folder, so name another")
    if not path.absolute().parent.is_dir():
        raise PrecisionError(f"{path}: there is no folder {path.absolute().parent}")


def sampled(dataset: Dataset, count: int) -> bytes:
    """Return a .npz file with some of the test images and their labels."""
    chosen = np.sort(np.random.default_rng(0).permutation(len(dataset.x_test))[:count])
    content = io.BytesIO()
    np.savez(content, images=dataset.x_test[chosen], labels=np.asarray(dataset.y_test[chosen], np.int64))
    return content.getvalue()


def _given(models: Sequence[Model], sample: bytes) -> tuple[bytes, dict[str, str]]:
    """Return a .npz file with what each model gives for a sample here, as run.py computes it; and by what."""
    with np.load(io.BytesIO(sample), allow_pickle=False) as file:
        images = as_float(file["images"])
    found, runtimes = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for model in models:
            path = Path(folder) / model.file
            path.write_bytes(model.content)
            try:
                runtime, compute = RUNTIMES[path.suffix](path, 1)
                found[model.file] = np.concatenate([compute(image[None]) for image in images])
            except Exception:  # not installed here, or it refuses the file with an error of its own
                continue
            runtimes[model.file] = runtime
    content = io.BytesIO()
    np.savez(content, **found)  # type: ignore[arg-type]
    return content.getvalue(), runtimes


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
