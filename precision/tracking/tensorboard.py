"""TensorBoard: one folder of event files per attempt at a trial.

Written with the messages and the record format of the package tensorboard alone: its own writer would import
TensorFlow, which takes seconds and hundreds of megabytes in the process that only looks on.
"""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, types_pb2
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2
from tensorboard.plugins.hparams import metadata as hparams_metadata
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.plugins.text import metadata as text_metadata
from tensorboard.summary.writer.record_writer import RecordWriter

from precision.tracking.description import Described, End, Scalar


class TensorBoard:
    """Writes below a folder that ``tensorboard --logdir`` shows."""

    def __init__(self, folder: Path, grid_name: str) -> None:
        self._folder = folder / _safe(grid_name)

    def begin(self, described: Described) -> _Events:
        """Open the event file of an attempt, in a folder that no attempt has had yet."""
        name = f"{_safe(described.name)[:150]} {described.trial.id}"
        number = described.attempt
        while True:
            path = self._folder / (name if number == 1 else f"{name} attempt {number}")
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                number += 1
            else:
                return _Events(path, described)

    def close(self) -> None:
        """Nothing is open but records."""


class _Events:
    """One event file; every event is handed to the system at once, so that a kill loses none."""

    def __init__(self, folder: Path, described: Described) -> None:
        self._epochs = 0
        self._described = described
        name = f"events.out.tfevents.{int(described.began)}.{socket.gethostname()}.{os.getpid()}.0"
        self._writer = RecordWriter((folder / name).open("wb"))
        self._write(event_pb2.Event(wall_time=described.began, file_version="brain.Event:2"))
        values = list(hparams_pb(described.parameters, described.trial.id, described.began).value)
        self._summary([*values, _text("parameters", _table(described.parameters))], 0, described.began)

    def epoch(self, epoch: int, metrics: dict[str, float], time: float) -> None:
        """Write a scalar per metric, with the epoch as step."""
        self._epochs = max(self._epochs, epoch)
        self._summary(_scalars(metrics), epoch, time)

    def sample(self, seconds: float, metrics: dict[str, float], time: float) -> None:
        """Write a scalar per metric, with the second as step."""
        self._summary(_scalars(metrics), int(seconds), time)

    def end(self, end: End) -> None:
        """Write the final metrics, the texts and the status."""
        texts: dict[str, Scalar] = {"status": end.status, "reason": end.reason, **end.texts}
        if end.retried:
            texts["retried"] = "yes"
        known = {
            "ok": api_pb2.STATUS_SUCCESS,
            "diverged": api_pb2.STATUS_SUCCESS,
            "skipped": api_pb2.STATUS_UNKNOWN,
        }
        session = plugin_data_pb2.SessionEndInfo(
            status=known.get(end.status, api_pb2.STATUS_FAILURE), end_time_secs=end.time
        )
        ended = summary_pb2.Summary.Value(
            tag=hparams_metadata.SESSION_END_INFO_TAG,
            metadata=hparams_metadata.create_summary_metadata(
                plugin_data_pb2.HParamsPluginData(session_end_info=session)
            ),
            tensor=hparams_metadata.NULL_TENSOR,
        )
        values = [*_scalars(end.metrics), _text("result", _table(texts)), ended]
        self._summary(values, self._epochs, end.time)
        self._writer.close()

    def _summary(self, values: list[summary_pb2.Summary.Value], step: int, time: float) -> None:
        summary = summary_pb2.Summary(value=values)
        self._write(event_pb2.Event(wall_time=time, step=step, summary=summary))

    def _write(self, event: event_pb2.Event) -> None:
        self._writer.write(event.SerializeToString())
        self._writer.flush()


def _scalars(metrics: dict[str, float]) -> list[summary_pb2.Summary.Value]:
    return [summary_pb2.Summary.Value(tag=name, simple_value=value) for name, value in metrics.items()]


def _text(name: str, text: str) -> summary_pb2.Summary.Value:
    return summary_pb2.Summary.Value(
        tag=name,
        metadata=text_metadata.create_summary_metadata(display_name=name, description=""),
        tensor=tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=[text.encode()]),
    )


def _table(values: dict[str, Scalar]) -> str:
    """Return a Markdown table, which is what the text view shows."""
    rows = [f"| {key} | {str(value).replace('|', chr(92) + '|')} |" for key, value in values.items()]
    return "\n".join(["| name | value |", "|---|---|", *rows])


def _safe(name: str) -> str:
    """Return a text that is a good name of a folder everywhere."""
    return re.sub(r"[^\w .,=+()-]+", "_", name).strip(" .") or "_"
