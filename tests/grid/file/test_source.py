import pytest

from precision.errors import PrecisionError
from precision.grid.file.source import read


def source(tmp_path, text):
    path = tmp_path / "grid.yaml"
    path.write_text(text)
    return read(path)


def test_every_entry_knows_its_line(tmp_path):
    found = source(tmp_path, "name: x\nlist:\n  - a\n  - b: 1\n    c: 2\n")
    assert found.data == {"name": "x", "list": ["a", {"b": 1, "c": 2}]}
    assert [found.line(p) for p in [("name",), ("list",), ("list", 1), ("list", 1, "c")]] == [1, 2, 4, 5]
    assert found.line(("list", 1, "c", "unknown", 3)) == 5


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 1e5),
        ("-2.5e+2", -250.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("12", 12),
        ("-3", -3),
        ("010", 10),
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("null", None),
        ("~", None),
        ("2026-01-01", "2026-01-01"),
        ("1:30", "1:30"),
        ("fixed(8,4)", "fixed(8,4)"),
        ("'8'", "8"),
        (".inf", float("inf")),
    ],
)
def test_scalars(tmp_path, text, value):
    got = source(tmp_path, f"a: {text}\n").data["a"]
    assert got == value
    assert type(got) is type(value)


def test_anchors_and_merge_keys(tmp_path):
    data = source(tmp_path, "base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\n").data
    assert data["use"] == {"x": 1, "y": 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", r"grid.yaml:3: duplicate key 'a'; it is already given on line 1"),
        ("a:\n  b: 1\n  b: 2\n", r"grid.yaml:3: duplicate key 'b'; it is already given on line 2"),
        ("a: [1, 2\nb: 3\n", r"grid.yaml:\d: this is not YAML"),
        ("a: 'x\n", r"grid.yaml:\d: this is not YAML"),
        ("\tx: 1", r"grid.yaml:1: this is not YAML"),
        ("", "the file is empty"),
        ("# nothing\n", "the file is empty"),
        ("- a\n", "grid.yaml:1: a grid is a mapping"),
        ("a: !!python/object/apply:os.system ['true']\n", "grid.yaml:1"),
        ("a: !!python/name:os.system x\n", "grid.yaml:1: cannot read the value"),
        ("? [a]\n: 1\n", "a key must be a word"),
        ("a: &x [*x]\n", "grid.yaml"),
    ],
)
def test_refusals(tmp_path, text, message):
    with pytest.raises(PrecisionError, match=message):
        source(tmp_path, text)


def test_an_alias_bomb_is_refused(tmp_path):
    levels = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9))
    with pytest.raises(PrecisionError, match="unfolds to more than"):
        source(tmp_path, "a0: &a0 x\n" + levels)


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "near.yaml").write_text("a: 1")
    with pytest.raises(PrecisionError, match=r"no such file; .* has near\.yaml"):
        read(tmp_path / "missing.yaml")
    with pytest.raises(PrecisionError, match="this is a folder, and a file is needed"):
        read(tmp_path)
    (tmp_path / "long.yaml").write_text("a: " + "b" * 2**20)
    with pytest.raises(
        PrecisionError, match=r"long\.yaml: a file here has at most 1048576 bytes, but got 1048579"
    ):
        read(tmp_path / "long.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"a: \xff\xfe")
    with pytest.raises(PrecisionError, match="UTF-8"):
        read(tmp_path / "bytes.yaml")
