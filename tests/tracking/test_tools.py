"""What the tools kept, read back with their own readers."""

import importlib.util
import json
import os
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from tracked import cell, result, row, trial, two_at_once

from precision.grid import Store
from precision.tracking import make


def needs(*packages):
    missing = [p for p in packages if importlib.util.find_spec(p) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


@pytest.fixture
def store(tmp_path, monkeypatch):
    for name in ("MLFLOW_TRACKING_URI", "WANDB_MODE", "WANDB_DIR", "WANDB_PROJECT", "WANDB_RUN_GROUP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
    store = Store(tmp_path / "runs")
    store.create()
    return store


def told(name, store, first, second):
    """Tell a tool of two trials that run side by side; the second one needs two attempts."""
    trackers = make([name], store, "a grid: 1/2", [cell(first), cell(second)])
    two_at_once(trackers, store, first, second)
    for tracker in trackers:
        tracker.close()


of_mlflow = needs("mlflow", "sqlalchemy", "alembic")

# TensorBoard


def events(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    accumulator.Reload()
    return accumulator


def scalars(accumulator, tag):
    return [(event.step, event.value) for event in accumulator.Scalars(tag)]


@needs("tensorboard")
def test_tensorboard_reads_what_was_written(store):
    first, second = trial(0), trial(1)
    told("tensorboard", store, first, second)
    folder = store.root / "tracking" / "tensorboard" / "a grid_ 1_2"
    assert {path.name for path in folder.iterdir()} == {
        f"digits mlp width=0.25 fixed8 qat seed 0 {first.id}",
        f"digits mlp width=0.25 fixed8 qat seed 1 {second.id}",
        f"digits mlp width=0.25 fixed8 qat seed 1 {second.id} attempt 2",
    }
    done = events(folder / f"digits mlp width=0.25 fixed8 qat seed 0 {first.id}")
    assert scalars(done, "train/loss") == [(3, 1.0), (4, 0.5)]
    assert scalars(done, "val/accuracy") == [(3, 0.25), (4, 0.5)]
    assert scalars(done, "resources/memory_bytes") == [(1, 2.0**30), (2, 2.0**30)]  # float32
    assert scalars(done, "result/accuracy") == [(4, 0.5)]
    assert "result/train_seconds" not in done.Tags()["scalars"]  # not a number: not there
    (text,) = done.Tensors("parameters")
    table = text.tensor_proto.string_val[0].decode()
    assert "| policy.weights | fixed(8,6) |" in table and f"| trial | {first.id} |" in table
    lost = events(folder / f"digits mlp width=0.25 fixed8 qat seed 1 {second.id}")
    ended = lost.Tensors("result")[0].tensor_proto.string_val[0].decode()
    assert "| status | timeout |" in ended and "| retried | yes |" in ended


@needs("tensorboard")
def test_tensorboard_shows_the_parameters_of_trials_in_a_table(store):
    """The table of hyperparameters, as its server puts it together from the files."""
    from tensorboard.plugins.hparams import plugin_data_pb2
    from tensorboard.plugins.hparams.metadata import SESSION_END_INFO_TAG, SESSION_START_INFO_TAG

    first, second = trial(0), trial(1)
    told("tensorboard", store, first, second)
    folder = store.root / "tracking" / "tensorboard" / "a grid_ 1_2"
    found = events(folder / f"digits mlp width=0.25 fixed8 qat seed 0 {first.id}")
    content = {
        tag: plugin_data_pb2.HParamsPluginData.FromString(found.SummaryMetadata(tag).plugin_data.content)
        for tag in (SESSION_START_INFO_TAG, SESSION_END_INFO_TAG)
    }
    hparams = content[SESSION_START_INFO_TAG].session_start_info.hparams
    assert hparams["training.learning_rate"].number_value == 0.01
    assert hparams["policy"].string_value == "fixed8"
    assert content[SESSION_END_INFO_TAG].session_end_info.status == 1  # STATUS_SUCCESS


@needs("tensorboard")
def test_another_run_does_not_write_into_the_folder_of_an_earlier_one(store):
    one = trial()
    for _ in range(2):
        (tracker,) = make(["tensorboard"], store, "grid")
        tracker.finished(one, result(one), 1.0)
        tracker.close()
    names = sorted(path.name for path in (store.root / "tracking" / "tensorboard" / "grid").iterdir())
    assert len(names) == 2 and names[1] == f"{names[0]} attempt 2"


@needs("tensorboard")
def test_event_files_are_written_without_tensorflow(tmp_path):
    code = f"""
import sys
from tracked import trial, row
from precision.tracking import make
(tracker,) = make(["tensorboard"], {str(tmp_path)!r}, "grid")
tracker.epoch(trial(), row(1))
tracker.close()
print("tensorflow" in sys.modules, "keras" in sys.modules)
"""
    folders = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == "False False"
    assert list(tmp_path.rglob("events.out.tfevents.*"))


# MLflow


@of_mlflow
@pytest.mark.filterwarnings("ignore")  # MLflow uses what its own dependencies call deprecated
def test_mlflow_reads_what_was_written(store):
    from mlflow.tracking import MlflowClient

    first, second = trial(0), trial(1)
    told("mlflow", store, first, second)
    client = MlflowClient(tracking_uri=f"sqlite:///{store.root / 'tracking' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("a grid: 1/2")
    runs = {
        (run.data.tags["trial"], run.data.tags["attempt"]): run
        for run in client.search_runs([experiment.experiment_id])
    }
    assert set(runs) == {(first.id, "1"), (second.id, "1"), (second.id, "2")}
    done, lost = runs[first.id, "1"], runs[second.id, "1"]
    assert done.info.run_name == "digits mlp width=0.25 fixed8 qat seed 0"
    assert done.info.status == "FINISHED" and done.data.tags["status"] == "ok"
    assert done.data.params["policy.weights"] == "fixed(8,6)" and done.data.params["seed"] == "0"
    assert done.data.tags["provenance.machine"] == "some machine, 2 cores"
    assert done.data.metrics["result/accuracy"] == 0.5
    history = client.get_metric_history(done.info.run_id, "train/loss")
    assert [(metric.step, metric.value) for metric in history] == [(3, 1.0), (4, 0.5)]
    samples = client.get_metric_history(done.info.run_id, "resources/memory_bytes")
    assert [(metric.step, metric.value) for metric in samples] == [(1, 2.0**30 + 1), (2, 2.0**30 + 2)]
    folder = local(done.info.artifact_uri)
    assert {path.name for path in folder.iterdir()} == {"result.json", "predictions.npy"}
    assert store.root in folder.parents
    assert np.array_equal(np.load(folder / "predictions.npy"), np.arange(5))
    assert (folder / "result.json").read_bytes() == (store.folder(first.id) / "result.json").read_bytes()
    assert lost.info.status == "FAILED"
    assert lost.data.tags["retried"] == "yes" and lost.data.tags["reason"] == "it went wrong"


@of_mlflow
@pytest.mark.filterwarnings("ignore")  # MLflow uses what its own dependencies call deprecated
def test_mlflow_writes_where_its_variable_says_and_goes_on_in_the_same_experiment(
    store, tmp_path, monkeypatch
):
    from mlflow.tracking import MlflowClient

    uri = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.chdir(tmp_path)
    for seed in range(2):
        (tracker,) = make(["mlflow"], store, "grid")
        tracker.retried(trial(seed), result(trial(seed), "killed"))
        tracker.close()
    client = MlflowClient(tracking_uri=uri)
    runs = client.search_runs([client.get_experiment_by_name("grid").experiment_id])
    assert {run.data.params["seed"] for run in runs} == {"0", "1"}
    assert not (store.root / "tracking").exists()


@of_mlflow
@pytest.mark.filterwarnings("ignore")  # MLflow uses what its own dependencies call deprecated
def test_a_server_that_is_not_there_costs_a_warning(store, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    (tracker,) = make(["mlflow"], store, "grid")
    tracker.finished(trial(), result(trial()), 1.0)
    with pytest.warns(UserWarning, match="tracking with mlflow failed: .*127.0.0.1"):
        tracker.close()


def local(uri):
    return Path(urllib.request.url2pathname(urllib.parse.urlparse(uri).path))


# Weights & Biases

BLOCK, HEADER = 32768, 7


def records(path):
    """Read an offline run: a log in the format of LevelDB whose entries are the package's own messages."""
    from wandb.proto import wandb_internal_pb2

    data = path.read_bytes()
    assert data[:4] == b":W&B"
    place, entry, found = HEADER, b"", []
    while place + HEADER <= len(data):
        if BLOCK - place % BLOCK < HEADER:  # the rest of a block that has no room for a header is empty
            place += BLOCK - place % BLOCK
            continue
        length, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        entry += data[place + HEADER : place + HEADER + length]
        place += HEADER + length
        if kind in (1, 4):  # whole, or the last part
            found.append(wandb_internal_pb2.Record.FromString(entry))
            entry = b""
    return found


def offline_runs(folder):
    """Return what ``wandb sync`` would upload, by trial and attempt."""
    runs = {}

    def values(items):
        return {item.key or item.nested_key[0]: json.loads(item.value_json) for item in items}

    for path in folder.glob("wandb/offline-run-*/run-*.wandb"):
        every = records(path)
        run = next(record.run for record in every if record.HasField("run"))
        config = values(run.config.update)
        rows, summary, artifacts, code = [], {}, [], None
        for record in every:
            kind = record.WhichOneof("record_type")
            if kind == "history":
                rows.append(values(record.history.item))
            elif kind == "summary":
                summary |= values(record.summary.update)
            elif kind == "config":
                config |= values(record.config.update)
            elif kind == "artifact":
                artifacts.append(record.artifact)
            elif kind == "exit":
                code = record.exit.exit_code
        runs[config["trial"], config["attempt"]] = (run, config, rows, summary, artifacts, code)
    return runs


@needs("wandb")
def test_wandb_offline_files_hold_what_was_told(store):
    first, second = trial(0), trial(1)
    told("wandb", store, first, second)
    runs = offline_runs(store.root / "tracking")
    assert set(runs) == {(first.id, 1), (second.id, 1), (second.id, 2)}
    run, config, rows, summary, artifacts, code = runs[first.id, 1]
    assert run.project == "a grid_ 1_2" and run.run_group == "a grid: 1/2" and run.job_type == "qat"
    assert run.display_name == "digits mlp width=0.25 fixed8 qat seed 0"
    assert config["policy.weights"] == "fixed(8,6)" and config["training.learning_rate"] == 0.01
    assert config["provenance.machine"] == "some machine, 2 cores"
    assert [(r["epoch"], r["train/loss"]) for r in rows if "epoch" in r] == [(3, 1.0), (4, 0.5)]
    assert [(r["seconds"], r["resources/cpu_percent"]) for r in rows if "seconds" in r] == [
        (1.0, 150.0),
        (2.0, 150.0),
    ]
    assert summary["result/accuracy"] == 0.5 and summary["status"] == "ok" and code == 0
    (artifact,) = artifacts
    assert artifact.name == f"trial-{first.id}"
    assert {entry.path for entry in artifact.manifest.contents} == {"result.json", "predictions.npy"}
    assert {Path(entry.local_path) for entry in artifact.manifest.contents} == {
        store.folder(first.id) / name for name in ("result.json", "predictions.npy")
    }
    *_, summary, artifacts, code = runs[second.id, 1]
    assert summary["status"] == "timeout" and summary["retried"] is True and code == 1
    assert not artifacts


@needs("wandb")
def test_wandb_without_a_key_asks_nothing_and_costs_a_warning(store, monkeypatch, tmp_path):
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    (tracker,) = make(["wandb"], store, "grid")
    tracker.epoch(trial(), row(1))
    with pytest.warns(UserWarning, match="tracking with wandb failed: .*API key"):
        tracker.close()
