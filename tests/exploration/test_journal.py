import errno
import json
import math
import os

import pytest

from precision.errors import PrecisionError
from precision.exploration.journal import Journal
from precision.room import NoRoomError


def journal(folder, about=None):
    (folder / "locks").mkdir(exist_ok=True)
    return Journal(folder, "rows", about or {"trial": "abc"}, {"note": "more"})


def written(folder):
    (path,) = (folder / "rows").glob("*.jsonl")
    return path


def test_rows_come_back(tmp_path):
    rows = [
        {"layer": "a", "loss": 0.1, "ratio": math.inf, "each": [0.5, -math.inf]},
        {"layer": "b", "loss": 1e-300, "ratio": 3, "each": []},
    ]
    with journal(tmp_path) as first:
        assert first.rows == []
        for row in rows:
            first.append(row)
        assert first.rows == rows
    with journal(tmp_path) as again:
        assert again.rows == rows


def test_nan_comes_back(tmp_path):
    with journal(tmp_path) as first:
        first.append({"loss": math.nan})
    with journal(tmp_path) as again:
        assert math.isnan(again.rows[0]["loss"])


def test_any_reader_of_json_can_read_it_and_sees_what_it_is_about(tmp_path):
    with journal(tmp_path) as rows:
        rows.append({"loss": math.nan})
    first, second = written(tmp_path).read_text().splitlines()

    def refuse(constant):
        raise AssertionError(constant)

    assert json.loads(first) == {"about": {"trial": "abc", "note": "more"}}
    with journal(tmp_path) as again:
        assert again.about == {"trial": "abc", "note": "more"}
    assert json.loads(second, parse_constant=refuse) == {"loss": {"float": "nan"}}


def test_nothing_is_written_without_a_row(tmp_path):
    with journal(tmp_path):
        pass
    assert not (tmp_path / "rows").exists()


@pytest.mark.parametrize("left", [1, 5, 20])
@pytest.mark.faults("a journal of an exploration that is torn")
def test_a_torn_last_line_is_dropped(tmp_path, left):
    with journal(tmp_path) as first:
        for number in range(3):
            first.append({"number": number})
    path = written(tmp_path)
    whole = path.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    path.write_bytes(whole[: -len(last)] + last[: min(left, len(last) - 1)])
    with journal(tmp_path) as again:
        assert [row["number"] for row in again.rows] == [0, 1]
        again.append({"number": 2})
    assert path.read_bytes() == whole


@pytest.mark.faults("a journal of an exploration that is torn")
def test_a_file_that_was_torn_in_its_first_line_begins_anew(tmp_path):
    with journal(tmp_path) as first:
        first.append({"number": 0})
    path = written(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:7])
    with journal(tmp_path) as again:
        assert again.rows == []
        again.append({"number": 0})
    assert path.read_bytes() == whole


@pytest.mark.parametrize("line", ["{not json", "[1, 2]"])
def test_a_line_that_cannot_be_read_is_told_and_left_out(tmp_path, line):
    with journal(tmp_path) as first:
        first.append({"number": 0})
        first.append({"number": 1})
    path = written(tmp_path)
    lines = path.read_text().splitlines()
    lines[1] = line
    path.write_text("\n".join(lines) + "\n")
    with pytest.warns(UserWarning, match=r":2: this line cannot be read"), journal(tmp_path) as again:
        assert again.rows == [{"number": 1}]


def test_other_content_is_another_file(tmp_path):
    for about in ({"trial": "abc"}, {"trial": "abd"}, {"trial": "abc", "images": 1}):
        with journal(tmp_path, about) as rows:
            assert rows.rows == []
            rows.append({"number": 0})
    assert len(list((tmp_path / "rows").glob("*.jsonl"))) == 3


@pytest.mark.faults("two explorations of one kind at once")
def test_two_writers_at_once(tmp_path):
    with journal(tmp_path) as first:
        first.append({"number": 0})
        with pytest.raises(PrecisionError, match="another process"), journal(tmp_path):
            pass
    with journal(tmp_path) as again:
        assert again.rows == [{"number": 0}]


@pytest.mark.parametrize("before", [0, 2])
@pytest.mark.faults("a full disk under an exploration")
def test_a_full_disk_leaves_the_rows_before(tmp_path, monkeypatch, before):
    def half(self, content):
        with self._path.open("ab") as stream:
            stream.write(content[:7])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with journal(tmp_path) as rows:
        for n in range(before):
            rows.append({"n": n})
        with monkeypatch.context() as full:
            full.setattr(Journal, "_write", half)
            with pytest.raises(NoRoomError, match="make room and run the same"):
                rows.append({"n": before})
        assert len(list((tmp_path / "rows").iterdir())) == bool(before)
        rows.append({"n": before})
    with journal(tmp_path) as again:  # a warning would be an error
        assert again.rows == [{"n": n} for n in range(before + 1)]
