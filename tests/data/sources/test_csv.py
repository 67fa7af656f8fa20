"""Tables of flattened images: headers or none, labels as numbers or text, and what is refused."""

import bz2
import gzip
import lzma
from pathlib import Path

import numpy as np
import pytest

from precision.data import load
from precision.errors import PrecisionError

ROWS = ["3,0,10,20,30", "5,1,11,21,31", "3,2,12,22,32", "5,3,13,23,33", "3,4,14,24,34"] * 2
HEADER = "label,pixel0,pixel1,pixel2,pixel3"


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


@pytest.mark.parametrize(
    "header", [[HEADER], [], ["label,0,1,2,3"], ["label,1,2,3,4"], ["0,1x1,1x2,2x1,2x2"]]
)
def test_header_or_none(table: Path, header: list[str]) -> None:
    write(table, *header, *ROWS)
    dataset = load("csv", path=table, test_fraction=0.4, shape=[2, 2], label_column=0)
    assert dataset.title == "table, 40 % of each class split off for testing"
    assert dataset.class_names == ("3", "5")
    assert np.bincount(dataset.y_train).tolist() == [4, 2]
    assert np.bincount(dataset.y_test).tolist() == [2, 2]
    assert dataset.x_train.dtype == np.uint8
    first = dataset.x_train[0, :, :, 0]
    assert (first - first[0, 0]).tolist() == [[0, 10], [20, 30]]


def test_text_labels_without_header(table: Path) -> None:
    names = {"3": "None", "5": " cat"}
    write(table, *(names[row[0]] + row[1:] for row in ROWS))
    assert load("csv", path=table, label_column=0).class_names == ("None", "cat")


def test_the_header_can_be_forced(table: Path) -> None:
    write(table, "7,0,0,0,0", *ROWS)
    assert load("csv", path=table, header=True, label_column=0).class_names == ("3", "5")
    with pytest.raises(PrecisionError, match="but got 1 of class '7'"):
        load("csv", path=table, label_column=0)


@pytest.mark.parametrize(("label", "name"), [("kind", "kind"), (-1, "kind"), (4, "kind"), (None, "label")])
def test_the_label_column(table: Path, label: str | int | None, name: str) -> None:
    write(table, f"a,b,c,d,{name}", *(f"{row[2:]},{row[0]}" for row in ROWS))
    dataset = load("csv", path=table, label_column=label, shape=[2, 2])
    assert dataset.class_names == ("3", "5")
    assert dataset.x_train.shape == (8, 2, 2, 1)


@pytest.mark.parametrize(
    ("header", "count", "shape"),
    [
        ("label,length,width,height,weight", 4, (4,)),  # a square number of columns with names of their own
        ("label,V1,V2,V3,V4", 4, (4,)),
        ("label,0,1,2,3", 4, (4,)),
        ("label,pixel0,pixel1,pixel2", 3, (3,)),
        ("label,pixel0,pixel1,pixel2,pixel3", 4, (2, 2, 1)),
        ("label,1x1,1x2,2x1,2x2", 4, (2, 2, 1)),
        ("label," + ",".join(map(str, range(64))), 64, (8, 8, 1)),
    ],
)
def test_what_the_columns_say_about_a_row(table: Path, header: str, count: int, shape: tuple) -> None:
    write(table, header, *(f"{i % 2}," + ",".join(str(i + j) for j in range(count)) for i in range(10)))
    dataset = load("csv", path=table)
    assert dataset.input_shape == shape
    assert load("csv", path=table, shape=[count]).input_shape == (count,)


def test_vectors_are_any_numbers(table: Path) -> None:
    rows = [f"{i % 2},{i},{-1000 * i},{i / 8},{'True' if i > 3 else 'False'}" for i in range(10)]
    write(table, "label,a,b,c,d", *rows)
    dataset = load("csv", path=table, scale="none")
    assert dataset.x_train.dtype == np.float32
    together = np.concatenate([dataset.x_train, dataset.x_test])
    assert sorted(together.tolist()) == [[i, -1000 * i, i / 8, i > 3] for i in range(10)]


@pytest.mark.parametrize("name", ["label", "Class", "TARGET", "y", " target "])
def test_the_usual_names_of_the_labels(table: Path, name: str) -> None:
    write(table, f"a,b,{name}", *(f"{i},{-i},{'no' if i % 3 else 'yes'}" for i in range(1, 13)))
    dataset = load("csv", path=table, scale="none")
    assert dataset.class_names == ("no", "yes")
    assert dataset.input_shape == (2,)
    assert ((dataset.x_train[:, 0] % 3 == 0) == (dataset.y_train == 1)).all()
    assert dataset.counts("train") == "no 6, yes 3" and dataset.counts("test") == "no 2, yes 1"


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (
            "length,width,species",
            "no column is called label, class, target or y; .* of: length, width, species",
        ),
        ("class,width,y", "more than one column is called label, class, target or y; .* of: class, width, y"),
        ("", "no column is called .* by name or by number .-1 is the last., of: 0, 1, 2"),
    ],
)
def test_a_column_of_labels_is_asked_for_where_none_says_so(table: Path, header: str, found: str) -> None:
    rows = [f"{i},{i / 2},{'no' if i % 3 else 'yes'}" for i in range(1, 13)]
    write(table, *([header] if header else []), *rows)
    with pytest.raises(PrecisionError, match=found):
        load("csv", path=table)
    assert load("csv", path=table, label_column=-1).class_names == ("no", "yes")


def test_whole_numbers_may_have_a_point(table: Path) -> None:
    write(table, "a,y", *(f"{i},{i % 2}.0" for i in range(10)))
    assert load("csv", path=table).class_names == ("0", "1")


def test_colour_images_have_the_channel_last(table: Path) -> None:
    write(table, *(f"{i % 2}," + ",".join(str(j) for j in range(i, i + 12)) for i in range(1, 11)))
    dataset = load("csv", path=table, shape=[2, 2, 3], label_column=0)
    assert dataset.x_train.shape == (8, 2, 2, 3)
    assert dataset.x_train[0, 0, 1, 2] - dataset.x_train[0, 0, 0, 0] == 5


def test_decimal_points_make_floats(table: Path) -> None:
    write(table, HEADER, *ROWS, "3,0.5,1,1,1")
    dataset = load("csv", path=table, scale="none")
    assert dataset.x_train.dtype == np.float32
    assert {float(v) for v in np.concatenate([dataset.x_train, dataset.x_test])[:, 0, 0, 0]} == {
        0,
        0.5,
        1,
        2,
        3,
        4,
    }


def test_compressed_and_with_a_test_file(tmp_path: Path) -> None:
    train = tmp_path / "train.csv.gz"
    train.write_bytes(gzip.compress("\n".join([HEADER, *ROWS]).encode()))
    test = write(tmp_path / "test.csv", HEADER, "5,1,2,3,4")
    dataset = load("csv", path=train, test_path=test)
    assert dataset.title == "train"
    assert dataset.y_test.tolist() == [1]
    assert dataset.x_test[0, :, :, 0].tolist() == [[1, 2], [3, 4]]
    write(test, HEADER, "5,1,2,3,4.5")
    assert load("csv", path=train, test_path=test, scale="none").x_train.dtype == np.float32
    write(test, HEADER, "4,1,2,3,4")
    with pytest.raises(PrecisionError, match="every test label must occur in training, but got 4"):
        load("csv", path=train, test_path=test)
    write(test, HEADER, "cat,1,2,3,4")
    with pytest.raises(PrecisionError, match="every test label must occur in training, but got 'cat'"):
        load("csv", path=train, test_path=test)
    train.write_bytes(gzip.compress("\n".join([HEADER, *ROWS, "cat,1,2,3,4"]).encode()))
    write(test, HEADER, "5,1,2,3,4")  # of words too, one file may have those that are numbers
    named = load("csv", path=train, test_path=test)
    assert (named.class_names, named.y_test.tolist()) == (("3", "5", "cat"), [1])
    write(test, "label,pixel1,pixel0,pixel2,pixel3", "5,1,2,3,4")
    with pytest.raises(PrecisionError, match=r"test\.csv: must have the same columns as .*train\.csv\.gz"):
        load("csv", path=train, test_path=test)
    write(test, HEADER, "5,1,2,3,4")
    with pytest.raises(PrecisionError, match=r"but got 0\.5 beside a test part"):
        load("csv", path=train, test_path=test, test_fraction=0.5)


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        ([], {}, "must be a table of comma-separated values, but got: No columns"),
        ([HEADER], {}, "needs one row per image or vector, but got none"),
        ([HEADER, "3,1,2,3"], {}, "column 'pixel3' holds something else"),
        ([HEADER, "3,1,2,3,4,5"], {}, "must be a table of comma-separated values"),
        (
            [HEADER, "3,1,2,3,x", "3,1,2,3,4"],
            {},
            "pixels and features must be numbers, but column 'pixel3' holds something else",
        ),
        ([HEADER, "3,1,2,,4"], {}, "column 'pixel2' holds something else"),
        ([HEADER, "3,1,2,nan,4"], {}, "column 'pixel2' holds something else"),
        ([HEADER, "3,1.5,2,inf,4"], {}, "numbers must be finite, but image or vector 0"),
        (
            [HEADER, "3.5,1,2,3,4"],
            {"task": "classification"},
            "column 'label' must hold one label, an integer or a text, for each of 1 images, but got 3.5",
        ),
        (
            [HEADER, "3,1,2,3,4", ",1,2,3,4"],
            {},
            "column 'label': every image needs a label, but image 1 has none",
        ),
        (["label", "3"], {}, "needs columns of numbers beside that of the labels, but got none"),
        (
            [HEADER, "3,1,2,3,4"],
            {"shape": [5]},
            "vectors of the shape 5 need 5 columns of numbers, but got 4",
        ),
        (
            [HEADER, "3,1,2,3,4"],
            {"shape": [3, 3]},
            "images of the shape 3x3x1 need 9 columns of numbers, but got 4",
        ),
        ([HEADER, "3,1,2,3,4"], {"label_column": "labell"}, "has no column 'labell'; did you mean 'label'"),
        ([HEADER, "3,1,2,3,4"], {"label_column": 5}, "the label's column must be below 5, but got 5"),
        (["a,b,c", '3,"1,2'], {}, "must be a table of comma-separated values"),
    ],
)
def test_wrong_tables(table: Path, lines: list[str], options: dict[str, object], message: str) -> None:
    table.write_text("\n".join(lines))
    with pytest.raises(PrecisionError, match=message) as caught:
        load("csv", path=table, **options)
    assert str(caught.value).startswith(f"{table}: ")


def test_unreadable_files(table: Path) -> None:
    with pytest.raises(PrecisionError, match="there is no such file"):
        load("csv", path=table)
    table.write_bytes(b"\xff\xfe\x00" * 9)
    with pytest.raises(PrecisionError, match="must be a table of comma-separated values"):
        load("csv", path=table)
    damaged = table.with_name("table.csv.gz")
    damaged.write_bytes(gzip.compress(HEADER.encode())[:-6])
    with pytest.raises(PrecisionError, match=r"table\.csv\.gz: "):
        load("csv", path=damaged)


@pytest.mark.parametrize(("ending", "compress"), [("gz", gzip), ("bz2", bz2), ("xz", lzma)])
def test_a_small_file_of_a_large_table_needs_a_larger_limit(tmp_path: Path, ending: str, compress) -> None:
    text = "\n".join(ROWS * 5000).encode()
    path = tmp_path / f"own.csv.{ending}"
    path.write_bytes(compress.compress(text))
    assert path.stat().st_size < len(text) / 100
    size = 8 * len(text) / 2**30
    dataset = load("csv", path=path, most_gib=1.01 * size, label_column=0, shape=[2, 2])
    assert dataset.input_shape == (2, 2, 1) and dataset.title.startswith("own, 20 %")
    with pytest.raises(PrecisionError, match=r"these images take more than .*; give the option 'most_gib'"):
        load("csv", path=path, most_gib=size / 1.01, label_column=0)
    path.write_bytes(compress.compress(text)[:-20])
    with pytest.raises(PrecisionError, match=r"holds one complete .* stream, but got"):
        load("csv", path=path, label_column=0)
