"""A training that was cut off and goes on ends with the bits of one that ran through."""

import dataclasses
import errno
import json
import os
import signal
from multiprocessing.connection import wait

import interrupted
import numpy as np
import pytest

from precision.deploy.predictor import KerasPredictor
from precision.grid.execution import launch
from precision.grid.execution.worker import RUNNER
from precision.methods import checkpoint as checkpoints
from precision.methods.training import prepare
from precision.methods.workbench import Workbench
from precision.room import NoRoomError

HISTORY = [{"epoch": 1}, {"epoch": 2}]


@pytest.fixture(scope="module", autouse=True)
def shaky():
    with interrupted.registered():
        yield


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A folder with the float32 weights that some cases start from."""
    folder = tmp_path_factory.mktemp("weights")
    for baseline in {
        interrupted.trial(c).baseline.id: interrupted.trial(c).baseline for c in STARTED
    }.values():
        interrupted.run(folder, baseline)
    return folder


STARTED = ("qat frozen", "qat learned scales", "low_precision master")


def cut(weights, checkpoints, one, epoch):
    with pytest.raises(interrupted.CutOffError):
        interrupted.run(weights, one, checkpoints, epoch)


@pytest.fixture(scope="module")
def straight(weights, tmp_path_factory):
    """A function that trains a case to its end, once, and returns its result.

    Its checkpoints lie in the folder that the function also returns, as a training that is cut off after an
    epoch leaves them, in a folder for each epoch.
    """
    done = {}

    def run(case):
        if case not in done:
            folder = tmp_path_factory.mktemp("straight")
            done[case] = interrupted.run_through(weights, interrupted.trial(case), folder), folder
        return done[case]

    return run


@pytest.mark.parametrize("case", interrupted.CASES)
@pytest.mark.faults("a training that is cut off after an epoch")
def test_a_training_goes_on_with_the_same_bits(case, straight, weights):
    one = interrupted.trial(case)
    through, left = straight(case)
    resumed = interrupted.run(weights, one, left / "2")
    assert resumed.facts["resumed_after_epoch"] == "2"
    assert interrupted.numbers(resumed) == interrupted.numbers(through)
    assert "resumed_after_epoch" not in through.facts
    assert "checkpoint" not in {**resumed.facts, **through.facts}


@pytest.mark.faults("a training that is cut off after an epoch")
def test_a_training_may_be_cut_off_again(straight, weights):
    one = interrupted.trial("qat frozen")  # after the first epoch
    through, left = straight("qat frozen")
    cut(weights, left / "1", one, 2)
    resumed = interrupted.run(weights, one, left / "1")
    assert resumed.facts["resumed_after_epoch"] == "2"
    assert interrupted.numbers(resumed) == interrupted.numbers(through)


@pytest.mark.faults("kill -9 of a training")
def test_a_training_goes_on_where_another_process_was_killed(straight, tmp_path):
    process = launch.WorkerProcess(launch.server(RUNNER), interrupted.main, (tmp_path, "low_precision", 2))
    while not process.over:
        wait(process.news)
        assert not list(process.messages())
        process.look()
    assert process.exit_code == -signal.SIGKILL
    process.close()
    resumed = interrupted.run(tmp_path, interrupted.trial("low_precision"), tmp_path)
    assert resumed.facts["resumed_after_epoch"] == "2"
    assert interrupted.numbers(resumed) == interrupted.numbers(straight("low_precision")[0])


def test_seconds_of_the_epochs_that_are_spared_stay(tmp_path):
    one = interrupted.trial("float32")
    cut(tmp_path, tmp_path, one, 2)
    with np.load(tmp_path / one.id / "state.npz") as stored:
        history = json.loads(stored["header"].tobytes())["history"]
    resumed = interrupted.run(tmp_path, one, tmp_path)
    assert resumed.history[:2] == history
    assert resumed.metrics["train_seconds"] == sum(row["seconds"] for row in resumed.history)


def torn(path, header):
    path.write_bytes(path.read_bytes()[:-500])


def damaged(path, header):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def empty(path, header):
    path.write_bytes(b"")


def of_another_trial(path, header):
    rewrite(path, {**header, "origin": {**header["origin"], "trial": "0123456789ab"}})


def of_another_keras(path, header):
    rewrite(path, {**header, "origin": {**header["origin"], "keras": "3.0.0"}})


def of_another_numerics(path, header):
    rewrite(path, {**header, "origin": {**header["origin"], "numerics": "1"}})


def of_another_network(path, header):
    rewrite(path, {**header, "kinds": ["float32[9]", *header["kinds"][1:]]})


def of_something_else(path, header):
    rewrite(path, {"hello": 1})


def rewrite(path, header):
    with np.load(path) as stored:
        rest = {name: stored[name] for name in stored.files if name != "header"}
    np.savez(path, header=np.frombuffer(json.dumps(header).encode(), np.uint8), **rest)


@pytest.fixture(scope="module")
def cut_off(tmp_path_factory):
    """The checkpoint of a training, the folder of its weights and its result when it runs through."""
    one = interrupted.trial("float32")
    folder = tmp_path_factory.mktemp("cut")
    straight = interrupted.run(folder, one)
    cut(folder, folder, one, 2)
    return (folder / one.id / "state.npz").read_bytes(), interrupted.numbers(straight)


BROKEN = {
    torn: "",
    damaged: "is damaged",
    empty: "",
    of_another_trial: "trial '0123456789ab', but here it is",
    of_another_keras: "keras '3.0.0', but here",
    of_another_numerics: "numerics '1', but here",
    of_another_network: "a network of other variables",
    of_something_else: "it lacks 'kinds'",
}


@pytest.mark.parametrize("change", BROKEN, ids=lambda change: change.__name__)
@pytest.mark.faults("a checkpoint that is torn, changed, or of something else")
def test_a_checkpoint_of_other_things_is_left_aside_and_said_so(change, cut_off, network, tmp_path):
    one = interrupted.trial("float32")
    path = broken(change, cut_off[0], tmp_path)
    keeper, before = checkpoints.Checkpoint(path.parent, one, every=0), values(network)
    assert keeper.resume(network, lambda epoch: None) == []
    assert keeper.facts["checkpoint"].startswith("ignored: ")
    assert BROKEN[change] in keeper.facts["checkpoint"]
    assert list(keeper.facts) == ["checkpoint"]
    assert values(network) == before


@pytest.mark.parametrize("change", [damaged, of_another_network], ids=lambda change: change.__name__)
@pytest.mark.faults("a checkpoint that is torn, changed, or of something else")
def test_a_training_that_leaves_its_checkpoint_aside_has_the_bits_of_one_without(change, cut_off, tmp_path):
    """Also where the optimizer was built before the checkpoint turned out to be of another network."""
    broken(change, cut_off[0], tmp_path)
    again = interrupted.run(tmp_path, interrupted.trial("float32"), tmp_path)
    assert again.facts["checkpoint"].startswith("ignored: ")
    assert "resumed_after_epoch" not in again.facts
    assert interrupted.numbers(again) == cut_off[1]


def broken(change, content, folder):
    """Write a changed checkpoint where the training looks for it; its path."""
    path = folder / interrupted.trial("float32").id / "state.npz"
    path.parent.mkdir()
    path.write_bytes(content)
    with np.load(path) as stored:
        header = json.loads(stored["header"].tobytes())
    change(path, header)
    return path


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """The network of the float32 case, compiled as before its training."""
    one = interrupted.trial("float32")
    model = Workbench(None, lambda name: tmp_path_factory.mktemp("none") / name).network(one)
    prepare(model, one.training, steps=6)
    model.optimizer.build(model.trainable_variables)
    return model


def values(model):
    return [variable.numpy().tobytes() for variable in (*model.variables, *model.optimizer.variables)]


def test_no_changed_byte_passes_for_another_value(tmp_path, tally):
    keeper = checkpoints.Checkpoint(tmp_path, interrupted.trial("float32"), every=60)
    header = {"origin": {}, "kinds": ["float32[3]"], "draws": False, "history": HISTORY}
    values = np.arange(12, dtype=np.uint8)
    keeper._write(header=np.frombuffer(json.dumps(header).encode(), np.uint8), v0=values)
    path = tmp_path / "state.npz"
    content = path.read_bytes()
    for at in range(len(content)):
        changed = bytearray(content)
        changed[at] ^= 1 << at % 8
        path.write_bytes(bytes(changed))
        with tally("a flipped bit of a checkpoint") as attack:
            try:
                found, (read,) = keeper._read()
            except (ValueError, KeyError):  # which resume() takes for a checkpoint to be left aside
                continue
            assert found == header and np.array_equal(read, values), at
            attack.harmless = True


def test_checkpoints_are_as_far_apart_as_asked(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now[0])
    one = interrupted.trial("float32")
    written = []
    monkeypatch.setattr(checkpoints.Checkpoint, "_write", lambda self, **arrays: written.append(now[0]))
    keeper = checkpoints.Checkpoint(tmp_path, one, every=60)
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizer="sgd")
    for now[0] in (59, 61, 100, 120, 121, 300):
        keeper.offer(model, HISTORY)
    assert written == [61, 121, 300]


def cannot_write(code):
    def savez(path, **_):
        path.write_bytes(b"half")
        raise OSError(code, os.strerror(code))

    return savez


@pytest.mark.faults("a folder of checkpoints that cannot be written")
def test_a_folder_that_cannot_be_written_costs_the_checkpoint_and_no_more(cut_off, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints.np, "savez", cannot_write(errno.EROFS))
    result = interrupted.run(tmp_path, interrupted.trial("float32"), tmp_path)
    assert result.facts["checkpoint"] == "not written: Read-only file system"
    assert interrupted.numbers(result) == cut_off[1]
    assert not list((tmp_path / interrupted.trial("float32").id).iterdir())


@pytest.mark.faults("a full disk under a checkpoint")
def test_a_full_disk_ends_the_training_at_once(tmp_path, monkeypatch):
    """What comes of it could not be stored either, and goes on from the checkpoint before."""
    import keras

    one = interrupted.trial("float32")
    keeper = checkpoints.Checkpoint(tmp_path, one, every=0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizer="sgd")
    keeper.offer(model, HISTORY)
    before = (tmp_path / "state.npz").read_bytes()
    monkeypatch.setattr(checkpoints.np, "savez", cannot_write(errno.ENOSPC))
    with pytest.raises(NoRoomError, match=r"state\.npz: cannot be written \(No space left on device\)"):
        keeper.offer(model, HISTORY)
    assert [path.name for path in tmp_path.iterdir()] == ["state.npz"]
    assert (tmp_path / "state.npz").read_bytes() == before


def test_the_digest_tells_weights_apart():
    import keras

    def network(name, value=1.0, dtype="float32"):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name=name, dtype=dtype)])
        model.set_weights([np.full((2, 1), value), np.zeros(1)])
        return KerasPredictor(model).digest()

    assert network("a") == network("b")
    assert (
        len({network("a"), network("a", np.nextafter(np.float32(1), 2)), network("a", dtype="float16")}) == 3
    )


def test_what_trains_nothing_has_no_digest(weights):
    one = interrupted.trial("qat frozen")
    ptq = dataclasses.replace(one, method=dataclasses.replace(one.method, name="ptq", options={}))
    assert "weights_digest" not in interrupted.run(weights, ptq).facts
