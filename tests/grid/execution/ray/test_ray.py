"""Trials on a real Ray cluster of two nodes on this machine, one of which dies in the middle of its work."""

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import filelock
import numpy as np
import pytest
import quick

from precision.errors import PrecisionError
from precision.grid import Store
from precision.grid.execution.options import RunOptions
from precision.grid.execution.ray import worker
from precision.grid.execution.scheduler import run_trials, setup
from precision.grid.execution.watcher import Watcher
from precision.grid.execution.worker import Setup

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="not installed: ray"),
    pytest.mark.filterwarnings("ignore"),  # Ray's own
]
ROOT = Path(__file__).parents[4]
SMALL = {"object_store_memory": 80 * 2**20}


class Log(Watcher):
    def __init__(self):
        self.lines, self.notes, self.on_start = [], [], None

    def started(self, trial):
        self.lines.append(("started", trial.id))

    def epoch(self, trial, row):
        self.lines.append(("epoch", trial.id, row["epoch"]))
        if self.on_start is not None:
            self.on_start(trial)

    def sample(self, trial, row):
        self.lines.append(("sample", trial.id, row["memory_bytes"]))

    def finished(self, trial, result, seconds):
        self.lines.append(("finished", trial.id, result.status))

    def retried(self, trial, result):
        self.lines.append(("retried", trial.id, result.status))

    def waiting(self, trial):
        self.lines.append(("waiting", trial.id))

    def note(self, text):
        self.notes.append(text)

    def of(self, kind):
        return [line[1] for line in self.lines if line[0] == kind]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Two nodes with two CPUs each, with room for one trial each; the head survives all tests."""
    from ray.cluster_utils import Cluster

    folder = tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.setattr(tempfile, "tempdir", str(folder))
        patch.setenv("RAY_TMPDIR", "/tmp")  # the names of sockets must be short
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        # For the processes of the nodes.
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), quick.HERE]))
        found = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False, **SMALL}
        )
        found.add_node(num_cpus=2, **SMALL)
        try:
            yield found
        finally:
            found.shutdown()


ALONE = """
import os
from precision.grid.execution.options import RunOptions
from precision.grid.execution.ray.cluster import Cluster
alone = Cluster(RunOptions(executor="ray"))
from ray._private import services
from ray._raylet import AuthenticationMode, AuthenticationTokenLoader, get_authentication_mode
assert services.get_node_ip_address() == "127.0.0.1", services.get_node_ip_address()
assert get_authentication_mode() == AuthenticationMode.TOKEN
assert AuthenticationTokenLoader.instance().has_token() and len(os.environ["RAY_AUTH_TOKEN"]) == 64
alone.disconnect()
assert not [name for name in os.environ if name.startswith(("RAY_AUTH", "RAY_ENABLE"))]
"""


def test_a_cluster_of_this_machine_is_for_this_machine_alone(tmp_path):
    """Its ports are those of the loopback, and ask for a token that lies in no file."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-c", ALONE], env={**own, "HOME": str(tmp_path)}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    assert not list(tmp_path.rglob("auth_token"))


@pytest.mark.skipif(
    "PRECISION_FAULT_TRIALS" not in os.environ, reason="starts a cluster; make faults asks for it"
)
@pytest.mark.faults("a cluster of this machine, called from another")
def test_nobody_else_reaches_the_ports_of_a_cluster_of_this_machine(tmp_path):
    code = ALONE.partition("from ray._private")[0] + LISTENING
    own = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**own, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    ports = done.stdout.split()
    assert done.returncode == 0 and len(ports) >= 4, done.stderr
    assert all(port.removeprefix("::ffff:") == "127.0.0.1" for port in ports), ports


LISTENING = """
import psutil
alone.connect()
me = psutil.Process()
for process in [me, *me.children(recursive=True)]:
    for found in process.net_connections("inet"):
        if found.status == psutil.CONN_LISTEN:
            print(found.laddr.ip)
alone.disconnect()
"""


@pytest.fixture
def store(tmp_path):
    found = Store(tmp_path / "runs")
    found.create()
    return found


def go(cluster, store, trials, watcher=None, runner="quick:runner", **options):
    settings = RunOptions(executor="ray", ray_address=cluster.address, cpus=2, **options)
    run_trials(trials, store, Setup(store.root, runner=runner), watcher or Log(), settings)


def check(store, trials):
    for trial in trials:
        result = store.load(trial.id)
        accuracy, predictions = quick.expected(trial)
        assert (result.status, result.reason) == ("ok", "")
        assert result.metrics["accuracy"] == accuracy
        assert np.array_equal(store.predictions(trial.id), predictions)


def free(store, trial):
    with store.lock(trial.id).acquire(timeout=0):
        return True


def test_results_and_weights_come_home_and_news_on_the_way(cluster, store, monkeypatch):
    monkeypatch.setattr(worker, "CROWDED", 600.0)  # a process that starts slowly ends no warm one
    first = [quick.trial(index) for index in range(3)]
    second = [quick.trial(index, network="b") for index in range(3)]
    trials = [first[0].baseline, *first, second[0].baseline, *second]
    log = Log()
    go(cluster, store, trials, log)
    check(store, trials)
    assert sorted(log.of("finished")) == sorted(trial.id for trial in trials)
    assert log.of("epoch").count(first[2].id) == 3
    assert store.weights(first[0].baseline.id).read_text() == first[0].baseline.id
    assert not (store.root / "began").exists()  # where the quick runner leaves traces: it ran elsewhere
    pids = {trial.id: store.load(trial.id).metrics["worker"] for trial in trials}
    assert len({pids[trial.id] for trial in first}) <= 2  # a process goes on warm
    assert all(free(store, trial) for trial in trials)
    assert not list(Path(tempfile.gettempdir()).iterdir())  # neither here nor on the nodes


@pytest.mark.faults("trials on a node that raise, crash, hang and take all memory")
def test_what_goes_wrong_in_a_trial_costs_that_trial(cluster, store):
    good = [quick.trial(0, baseline=False)]
    bad = {
        "raise": quick.trial(10, baseline=False, do="raise"),
        "abort": quick.trial(11, baseline=False, do="abort"),
        "sleep": quick.trial(12, baseline=False, do="sleep", seconds=600),
        "hoard": quick.trial(13, baseline=False, do="hoard"),
    }
    sleeps = bad["sleep"]
    go(cluster, store, [*(one for one in bad.values() if one is not sleeps), *good], memory_limit=400 * 2**20)
    go(cluster, store, [sleeps], timeout=2)  # on its own: no other trial is to be done in that time
    check(store, good)
    found = {name: store.load(trial.id) for name, trial in bad.items()}
    assert {name: result.status for name, result in found.items()} == {
        "raise": "failed",
        "abort": "killed",
        "sleep": "timeout",
        "hoard": "out_of_memory",
    }
    assert "as it was told" in found["raise"].reason
    assert "its process on the node" in found["abort"].reason
    assert found["sleep"].reason == "it was not done after 2 s"
    assert "above the limit of 0.39 GiB" in found["hoard"].reason
    assert all(free(store, trial) for trial in bad.values())


@pytest.mark.faults("a full disk of a node")
def test_a_full_disk_of_a_node_ends_the_run(cluster, store):
    trials = [quick.trial(i, baseline=False, do="full") for i in range(5)]
    with pytest.raises(
        PrecisionError, match=r"^the node .*: .*/x: cannot be written \(No space left on device"
    ):
        go(cluster, store, trials)
    assert not store.results() and not list((store.root / "trials").iterdir())


@pytest.mark.faults("a node that is killed during its trials")
def test_trials_of_a_lost_node_are_run_again(cluster, store, tmp_path):
    """The node that is not the head is killed while both run; its trial ends on another one."""
    import ray

    doomed = next(node for node in cluster.list_all_nodes() if not node.head)
    go_on = tmp_path / "go"
    trials = [quick.trial(index, baseline=False, do="wait", until=str(go_on)) for index in range(3)]
    log, seen = Log(), set()

    def kill(trial):
        seen.add(trial.id)
        if len(seen) == 2 and doomed in cluster.worker_nodes:
            cluster.remove_node(doomed, allow_graceful=False)

    def note(text):
        log.notes.append(text)
        if "is lost" in text:  # not before: a process may outlive its node for a moment
            go_on.touch()

    log.on_start, log.note = kill, note
    go(cluster, store, trials, log)
    assert not ray.is_initialized()
    check(store, trials)
    assert any("is lost; it is run again" in note for note in log.notes)
    assert max(log.of("started").count(trial.id) for trial in trials) > 1
    assert [store.load(trial.id).attempts for trial in trials] == [1, 1, 1]
    cluster.add_node(num_cpus=2, **SMALL)


def test_a_trial_of_another_run_is_left_to_it(cluster, store):
    busy, other = quick.trial(0, baseline=False), quick.trial(1, baseline=False)
    log = Log()
    held = filelock.FileLock(store.lock(busy.id).path)
    held.acquire()
    log.on_start = lambda trial: held.release()  # the other run is gone when this one is at work
    go(cluster, store, [busy, other], log)
    check(store, [busy, other])
    assert log.of("waiting") == [busy.id]


@pytest.mark.faults("a node with other code")
def test_a_node_with_other_code_is_refused(cluster, store, monkeypatch):
    from precision.grid.execution.ray import remote

    here = remote.fingerprint()
    monkeypatch.setattr(remote, "fingerprint", lambda: {**here, "keras": "9.9"})
    message = "of the Ray cluster has keras .*, but this machine has 9.9; install the same on all nodes"
    with pytest.raises(PrecisionError, match=message):
        go(cluster, store, [quick.trial(0, baseline=False)])


def test_a_trial_for_which_no_node_has_room_is_refused(cluster, store):
    with pytest.raises(PrecisionError, match=r"reserves 2 CPUs and 1 GPUs, which no node .* has \(2 CPUs"):
        go(cluster, store, [quick.trial(0, baseline=False)], gpus=1)


def test_real_trials_have_the_bits_of_this_machine(cluster, tmp_path):
    """The same grid with local processes and on the cluster: weights, predictions, history, loss."""
    from precision.grid import expand, load_grid, schedule

    (tmp_path / "tiny.yaml").write_text(
        "name: tiny\n"
        "datasets: [{name: digits, train_size: 192, test_size: 32}]\n"
        "architectures: [{name: lenet}]\n"
        'policies: {float32: float32, fixed4: "fixed(4,3)"}\n'
        "methods: [ptq, {name: qat, epochs: 1}]\n"
        "training: {epochs: 2, batch_size: 32, learning_rate: 1e-2}\n"
    )
    trials = schedule(expand(*load_grid(tmp_path / "tiny.yaml")))
    stores = {}
    for executor in ("local", "ray"):
        stores[executor] = Store(tmp_path / executor)
        stores[executor].create()
        options = RunOptions(executor=executor, ray_address=cluster.address, cpus=2)
        run_trials(trials, stores[executor], setup(stores[executor], None), Log(), options)
    for trial in trials:
        local, far = (stores[name].load(trial.id) for name in ("local", "ray"))
        assert (local.status, far.status) == ("ok", "ok"), far.reason
        for name in ("accuracy", "loss"):
            assert local.metrics[name] == far.metrics[name]
        assert local.facts == far.facts  # the digests of weights and images among them
        for mine, theirs in zip(local.history, far.history, strict=True):
            assert {**mine, "seconds": 0} == {**theirs, "seconds": 0}
        assert np.array_equal(*(found.predictions(trial.id) for found in stores.values()))
    trained = [trial for trial in trials if trial.method.name != "ptq"]
    assert all("weights_digest" in stores["ray"].load(trial.id).facts for trial in trained)
