"""result.json: what is written is read, older versions migrate, and nothing else is trusted."""

import json
import math
import shutil
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stored import make_result, make_trial

from precision.grid import Store
from precision.grid.store import record, sums
from precision.grid.store.record import NewerRecordError, OutdatedRecordError, revive
from precision.trial import NUMERICS_VERSION, STATUSES, Trial, TrialResult

OLD = Path(__file__).parent / "version1"
floats = st.floats(width=32) | st.integers(0, 2**60)
rows = st.dictionaries(st.text(max_size=8), floats, max_size=4)
texts = st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3)


def encode(result):
    return record.encode(result, {}).encode()


def decode(content, trial_id, unsummed=False):
    return record.decode(content, trial_id, unsummed)


def as_stored(content):
    """The file of a record, given as plain data, whose sum is right."""
    return sums.sealed({key: value for key, value in content.items() if key != "sha256"}).encode()


def same(a, b):
    return (
        a.keys() == b.keys()
        and all(x == b[key] or (math.isnan(x) and math.isnan(b[key])) for key, x in a.items())
        and all(type(x) is type(b[key]) for key, x in a.items())
    )


@given(
    st.sampled_from(STATUSES),
    st.text(),
    rows,
    texts,
    st.lists(rows, max_size=3),
    st.integers(1, 9),
    st.floats(0, width=32) | st.just(math.nan),
)
def test_what_is_written_is_read(status, reason, metrics, facts, history, attempts, seconds):
    result = TrialResult(
        make_trial(), status, reason, metrics, facts, history, facts, attempts, None, seconds
    )
    text = encode(result)
    json.loads(text, parse_constant=pytest.fail)
    read = revive(decode(text, result.trial.id))
    assert (read.trial, read.status, read.reason) == (result.trial, status, reason)
    assert (read.facts, read.provenance, read.attempts) == (facts, facts, attempts)
    assert same({"": read.seconds}, {"": seconds}) and same(read.metrics, metrics)
    assert all(same(a, b) for a, b in zip(read.history, history, strict=True))
    # The index holds the record once more: nothing may change on the way.
    found = decode(text, result.trial.id)
    assert repr(record.unpack(record.pack(found))) == repr(found)


@pytest.mark.parametrize(
    "history",
    [
        [],
        [{}],
        [{}, {}],
        [{"a": 1, "b": math.nan}, {"a": 2, "b": -0.0}],
        [{"a": 1}, {"a": 1.0}],
        [{"a": 1}, {"b": 1}],
        [{"a": 1, "b": 2}, {"b": 1, "a": 2}],
        [{"a": 2**63}],
        [{"a": True}],
        [{"a": 5e-324, "é": math.inf}] * 50,
    ],
)
def test_a_history_in_the_index(history):
    text = encode(make_result(history=history))
    found = decode(text, make_trial().id)
    again = record.unpack(record.pack(found))
    assert repr(again) == repr(found) and repr(again["history"]) == repr(history)


TEXT = encode(make_result(reason="x"))


@given(at=st.integers(0, len(TEXT) - 1), instead=st.binary(max_size=3))
def test_a_damaged_file_is_refused(tally, at, instead):
    damaged = TEXT[:at] + instead + TEXT[at + len(instead) :]
    if damaged != TEXT:
        with tally("a record of which some bytes are others"), pytest.raises(ValueError, match=r"."):
            decode(damaged, make_trial().id)


def test_no_changed_bit_passes(tally):
    for bit in range(8 * len(TEXT)):
        damaged = bytearray(TEXT)
        damaged[bit // 8] ^= 1 << bit % 8
        with tally("a flipped bit of a record"), pytest.raises(ValueError, match=r"."):
            decode(bytes(damaged), make_trial().id, unsummed=True)


@given(at=st.integers(0, len(TEXT) - 2))
def test_a_torn_file_is_refused(tally, at):
    with tally("a record that is torn, empty, or of something else"), pytest.raises(ValueError, match=r"."):
        decode(TEXT[:at], make_trial().id)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schema", 0),
        ("schema", "3"),
        ("schema", None),
        ("id", "0" * 12),
        ("numerics", "2"),
        ("numerics", []),
        ("trial", {}),
        ("trial", None),
        ("status", []),
        ("reason", 1),
        ("attempts", 0),
        ("attempts", 1.5),
        ("seconds", None),
        ("seconds", 10**400),
        ("metrics", [1]),
        ("metrics", {"accuracy": "half"}),
        ("metrics", {"accuracy": 10**400}),
        ("metrics", {"accuracy": [0.5]}),
        ("facts", {"timing": 1}),
        ("facts", None),
        ("history", {"epoch": 1}),
        ("history", [[1]]),
        ("provenance", "x"),
        ("sums", {"predictions.npy": "0"}),
        ("sums", {"predictions.npy": 1}),
        ("sums", []),
        ("metrics", {"accuracy": 8.7}),
        ("metrics", {"accuracy": -0.1}),
        ("metrics", {"accuracy": "nan"}),
        ("metrics", {"train_seconds": -1.0}),
        ("metrics", {"weight_bytes": -1}),
        ("metrics", {"peak_memory_bytes": "-inf"}),
        ("history", [{"epoch": 1, "val_accuracy": 1.5}]),
        ("history", [{"epoch": 1}, {"accuracy": "nan"}]),
        ("history", [{"seconds": -0.5}]),
        ("seconds", -1),
    ],
)
def test_a_foreign_value_is_refused(key, value, tally):
    foreign = {**json.loads(TEXT), key: value}
    with tally("a record with a foreign value, or without one"), pytest.raises(ValueError, match=r"."):
        decode(as_stored(foreign), make_trial().id)
    without = {name: content for name, content in json.loads(TEXT).items() if name != key}
    with tally("a record with a foreign value, or without one"), pytest.raises(ValueError, match=r"."):
        decode(as_stored(without), make_trial().id)


@pytest.mark.faults("a record without its sum")
def test_a_record_without_its_sum_is_refused():
    content = {key: value for key, value in json.loads(TEXT).items() if key != "sha256"}
    for unsummed in (False, True):
        with pytest.raises(ValueError, match="its sha256 is missing"):
            decode(json.dumps(content).encode(), make_trial().id, unsummed)


def test_a_seed_is_a_number():
    content = json.loads(TEXT)
    content["trial"]["seed"] = "0"
    foreign = as_stored(content)
    with pytest.raises(ValueError, match="its seed is '0'"):
        decode(foreign, make_trial().id)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "\ud800", "NaN", "1" * 5000])
@pytest.mark.faults("a record that no reader expects (deep, endless, no text)")
def test_what_no_reader_expects(store, text):
    path = store.folder(make_trial().id) / "result.json"
    path.parent.mkdir()
    path.write_text(text, errors="surrogatepass")
    with pytest.warns(UserWarning, match="cannot be trusted"):
        assert store.load(make_trial().id) is None
    with pytest.warns(UserWarning, match="cannot be trusted"):
        assert store.results() == {}


def test_results_of_version_1_are_read(tmp_path):
    store = Store(tmp_path / "runs")
    for path in OLD.glob("*/result.json"):  # as if the numbers that trials yield had not changed since
        old = json.loads(path.read_text())
        trial_id = Trial.from_json(old["trial"]).id
        shutil.copytree(path.parent, store.folder(trial_id))
        (store.folder(trial_id) / "result.json").write_text(json.dumps({**old, "id": trial_id}))
    with pytest.warns(UserWarning, match="2 results were stored by an older precision and now have sums"):
        results = store.results()
    assert sorted(result.metrics["accuracy"] for result in results.values()) == [0.175, 0.225]
    for trial_id, result in results.items():
        assert result.trial.id == trial_id and store.load(trial_id).trial == result.trial
        assert (result.status, result.attempts) == ("ok", 1) and math.isnan(result.seconds)
        assert "weights_digest" not in result.facts
        assert store.finished(result.trial) == (result.trial.method.name == "ptq")  # no weights are kept here
        assert len(store.predictions(trial_id)) == 40


def test_every_older_version_has_a_migration():
    assert sorted(record.MIGRATIONS) == list(range(1, record.SCHEMA_VERSION))


def test_a_result_of_former_numerics_is_no_result_of_ours(store):
    trial = make_trial()
    former = trial.identity(NUMERICS_VERSION - 1)
    content = {**json.loads(TEXT), "id": former, "numerics": NUMERICS_VERSION - 1}
    with pytest.raises(OutdatedRecordError, match="numerics"):
        decode(as_stored(content), former)
    version1 = {**{k: v for k, v in content.items() if k not in ("numerics", "attempts")}, "schema": 1}
    with pytest.raises(OutdatedRecordError):
        decode(json.dumps(version1).encode(), former)
    store.folder(former).mkdir()
    (store.folder(former) / "result.json").write_bytes(as_stored(content))
    assert store.results() == {}, "nothing is wrong with it, so nothing is said"
    assert not store.finished(trial)


def newer(store):
    folder = store.folder(make_trial().id)
    folder.mkdir(exist_ok=True)
    (folder / "result.json").write_text(json.dumps({"schema": 4, "all": "new"}))
    return folder


def test_a_result_of_a_newer_precision_is_told_and_kept(store):
    folder = newer(store)
    trial = make_trial()
    with pytest.raises(NewerRecordError):
        decode((folder / "result.json").read_bytes(), trial.id)
    with pytest.warns(UserWarning, match="written by a newer precision"):
        assert not store.finished(trial)
    with pytest.warns(UserWarning, match="this failure is not stored: boom"):
        store.save(make_result(status="failed", reason="boom"))
    assert json.loads((folder / "result.json").read_text()) == {"schema": 4, "all": "new"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store.save(make_result())
    assert store.load(trial.id).status == "ok"
    assert json.loads((folder / "result.schema4.json").read_text()) == {"schema": 4, "all": "new"}


def test_a_result_of_newer_numerics_is_told():
    trial = make_trial()
    later = trial.identity(NUMERICS_VERSION + 1)
    content = {**json.loads(TEXT), "id": later, "numerics": NUMERICS_VERSION + 1}
    with pytest.raises(NewerRecordError, match="newer precision"):
        decode(as_stored(content), later)


@given(st.lists(rows.filter(bool), max_size=3))
def test_the_times_of_batches_are_kept_and_may_be_absent(batches):
    result = make_result(batches=batches)
    text = encode(result)
    assert ("batches" in json.loads(text)) == bool(batches)
    found = decode(text, result.trial.id)
    assert all(same(a, b) for a, b in zip(batches, revive(found).batches, strict=True))
    assert all(same(a, b) for a, b in zip(batches, record.unpack(record.pack(found))["batches"], strict=True))
