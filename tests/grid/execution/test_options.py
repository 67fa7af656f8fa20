import pytest
from typer.testing import CliRunner

from precision.cli.app import app
from precision.errors import PrecisionError
from precision.grid.execution import options
from precision.grid.execution.options import RunOptions, seconds, share_of_cores, size


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("90", 90),
        ("45s", 45),
        ("0.5s", 0.5),
        ("10min", 600),
        ("10m", 600),
        ("1h30m", 5400),
        ("2h", 7200),
        ("1 h 5 s", 3605),
    ],
)
def test_times(text, value):
    assert seconds(text, "--timeout") == value


@pytest.mark.parametrize("text", ["", "0", "-5", "5 apples", "min", "1m1h", "1e9h", "nan", "inf"])
def test_what_is_no_time(text):
    with pytest.raises(PrecisionError, match="--timeout is a time above 0 such as 90, 45s"):
        seconds(text, "--timeout")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4GiB", 4 * 2**30),
        ("4G", 4 * 2**30),
        ("4gb", 4 * 10**9),
        ("500MB", 5 * 10**8),
        ("1.5 GiB", 3 * 2**29),
        ("2097152", 2**21),
    ],
)
def test_sizes(text, value):
    assert size(text, "--memory-limit") == value


@pytest.mark.parametrize("text", ["", "0", "4", "-4GiB", "4 apples", "GiB", "1KiB", "infGiB"])
def test_what_is_no_size(text):
    with pytest.raises(PrecisionError, match="--memory-limit is a size of at least 1MiB such as 4GiB"):
        size(text, "--memory-limit")


@pytest.mark.parametrize("cores", [1, 2, 3, 8, 13])
@pytest.mark.parametrize("jobs", [1, 2, 3, 5, 16])
def test_the_cores_are_shared_out(monkeypatch, cores, jobs):
    everything = tuple(range(10, 10 + cores))
    monkeypatch.setattr(options, "cores", lambda: everything)
    shares = [share_of_cores(worker, jobs) for worker in range(jobs)]
    used = [core for share in shares for core in share]
    assert set(used) <= set(everything) and all(shares)
    if jobs <= cores:
        assert sorted(used) == list(everything), "each core has one worker"
        assert max(map(len, shares)) - min(map(len, shares)) <= 1
    else:
        counts = [used.count(core) for core in everything]
        assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("jobs", 0),
        ("timeout", 0.0),
        ("retries", -1),
        ("memory_limit", 5),
        ("executor", "slurm"),
        ("gpus", -1.0),
    ],
)
def test_options_that_cannot_be(name, value):
    with pytest.raises(PrecisionError, match=f"a run cannot have {name} {value!r}; "):
        RunOptions(**{name: value})


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--timeout", "soon"], "--timeout is a time above 0"),
        (["--memory-limit", "much"], "--memory-limit is a size"),
        (["--cpus", "2"], "--cpus belongs to --executor ray"),
        (["--track", "tensorbord"], "did you mean 'tensorboard'"),
        (["--only", "polcy=x"], "did you mean 'policy'"),
        (["--set", "training.epoch=3"], "did you mean 'epochs'"),
    ],
)
def test_options_of_the_command_that_cannot_be(tmp_path, words, told):
    grid = tmp_path / "grid.yaml"
    grid.write_text("name: x\ndatasets: digits\narchitectures: lenet\npolicies: [float32]\n")
    found = CliRunner().invoke(app, ["run", str(grid), "--store", str(tmp_path / "runs"), *words])
    assert isinstance(found.exception, PrecisionError) and told in str(found.exception)
    assert not list(tmp_path.glob("runs/trials/*"))
