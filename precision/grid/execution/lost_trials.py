"""What is stored of a trial whose worker could not store a result itself."""

from __future__ import annotations

import contextlib
import signal

from precision import files, plugins, room
from precision.errors import PrecisionError
from precision.grid.execution.provenance import provenance
from precision.grid.store import Store
from precision.grid.store.locks import granted
from precision.printable import printable
from precision.trial import Trial, TrialResult


def record(store: Store, trial: Trial, status: str, reason: str, attempt: int = 1) -> str:
    """Store that a trial gave no result and why, unless another run did better; return the status."""
    result = TrialResult(trial, status, reason=reason, attempts=attempt, provenance=provenance(trial))
    with granted(store.lock(trial.id)) as free:
        if free and not store.finished(trial):
            store.save(result)
    return status


def death(code: int | None) -> str:
    """Return in words how a process ended."""
    text = f"the worker process died with exit code {code}"
    if code is None or code >= 0:
        return text
    with contextlib.suppress(ValueError):
        text += f" ({signal.Signals(-code).name}"
        return text + ("; out of memory is the usual cause)" if code == -9 else ")")
    return text


def sentence(error: BaseException) -> str:
    """Return an error as one line; a mistake of the user is a sentence already.

    Keras replaces an error that passes through a layer by one of the same type with the layer's arguments in
    its text; the first one says it better.
    """
    chain = [error]
    while chain[-1].__context__ is not None and chain[-1].__context__ not in chain:
        chain.append(chain[-1].__context__)
    ours = [link for link in chain if isinstance(link, PrecisionError)]
    text = " ".join(printable(ours[-1] if ours else error).split())
    return text if ours else plugins.blame(error) or f"{type(error).__name__}: {text[:300]}"


def unstored(store: Store, error: OSError) -> PrecisionError:
    """Return the error that ends a run when nothing more can be stored, with the words of the system."""
    return room.missing(error) or PrecisionError(
        f"{store.root}: a result could not be stored ({error.strerror or error}); see to that "
        "and run the same command again, finished trials are kept"
    )


def tidy(store: Store, trial: Trial) -> None:
    """Remove what the worker of a trial was writing when it was stopped, unless another run is at it."""
    with contextlib.suppress(OSError), granted(store.lock(trial.id)) as free:
        if free:
            for folder in (store.folder(trial.id), store.checkpoint(trial.id)):
                files.remove_drafts(folder)
