"""Tables in files: every convention gives the same products, and what is no table is one sentence."""

import hashlib
import os
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from precision.arithmetic.multipliers import (
    Multiplier,
    Published,
    of_folder,
    parse_multiplier,
    parse_multipliers,
    write_table,
)
from precision.errors import PrecisionError

SIGNED = parse_multiplier("xor_blocks(8,6)").table().table  # not symmetric
UNSIGNED = parse_multiplier("broken_array(8,3,5)").table().table


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def coded(table):
    """A signed table by the two's-complement code: 0 to 127 first, then -128 to -1."""
    order = [*range(128, 256), *range(128)]
    return table[np.ix_(order, order)]


def refused(text):
    with pytest.raises(PrecisionError) as caught:
        parse_multiplier(text)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def put(name, table, dtype, **notes):
    if name.endswith(".bin"):
        Path(name).write_bytes(np.asarray(table).astype(np.dtype(dtype).newbyteorder("<")).tobytes())
    elif name.endswith(".npy"):
        np.save(name, np.asarray(table).astype(dtype))
    else:
        np.savez(name, table=np.asarray(table).astype(dtype), **notes)


@pytest.mark.parametrize("ending", ["bin", "npy", "npz"])
@pytest.mark.parametrize("order", ["aw", "wa"])
def test_every_convention_of_an_unsigned_table(ending, order):
    put(f"m.{ending}", UNSIGNED if order == "aw" else UNSIGNED.T, "uint16")
    multiplier = parse_multiplier(f"table(m.{ending}, order={order})")
    assert multiplier.bits == (8, 8) and not multiplier.signed
    np.testing.assert_array_equal(multiplier.table().table, UNSIGNED)
    digest = hashlib.sha256(Path(f"m.{ending}").read_bytes()).hexdigest()[:8]
    assert multiplier.name == f'table("m.{ending}",order={order},sha256="{digest}")'
    assert parse_multiplier(multiplier.name) == multiplier


@pytest.mark.parametrize("ending", ["bin", "npy", "npz"])
@pytest.mark.parametrize("order", ["aw", "wa"])
@pytest.mark.parametrize("index", ["value", "code"])
def test_every_convention_of_a_signed_table(ending, order, index):
    table = SIGNED if index == "value" else coded(SIGNED)
    put(f"m.{ending}", table if order == "aw" else table.T, "int16")
    multiplier = parse_multiplier(f"table(m.{ending}, order={order}, signed=True, index={index})")
    assert multiplier.signed and multiplier.own == ((-128, 127), (-128, 127))
    products = multiplier.table()
    np.testing.assert_array_equal(products.table, SIGNED)
    assert int(products.of(3, -7)) == SIGNED[3 + 128, -7 + 128]
    assert f",order={order},signed=True,index={index},sha256=" in multiplier.name
    assert parse_multiplier(multiplier.name) == multiplier


def test_the_conventions_may_stand_in_the_file():
    put(
        "m.npz", coded(SIGNED).T, "int32", signed=True, index="code", order="wa", power=0.25, source="a paper"
    )
    multiplier = parse_multiplier("table(m.npz)")
    np.testing.assert_array_equal(multiplier.table().table, SIGNED)
    assert ",order=wa,signed=True,index=code," in multiplier.name
    assert multiplier.published == Published(power=0.25, source="a paper")
    assert parse_multiplier("table(m.npz, index=code)") == multiplier
    for word, other in (
        ("order=aw", "order=wa"),
        ("index=value", "index=code"),
        ("signed=False", "signed=True"),
    ):
        assert refused(f"table(m.npz, {word})") == (
            f"table 'm.npz': the text says {word}, but the file says {other}; leave it out"
        )


def test_what_is_written_says_all_of_itself(folder):
    known = Published(power=0.1, area=20.5, delay=1.5, technology="45 nm", source="measured")
    for text in ("xor_blocks(6,5)", "mitchell(4)", "exact(10)"):
        multiplier = parse_multiplier(text)
        given = Multiplier(multiplier.name, multiplier.bits, multiplier.signed, multiplier.function, known)
        write_table(given, folder / "m.npz")
        again = parse_multiplier("table(m.npz)")
        assert (again.bits, again.signed, again.published) == (given.bits, given.signed, known)
        np.testing.assert_array_equal(again.table().table, given.table().table)
    with pytest.raises(PrecisionError, match=r"m\.bin: a table that says what it is goes into a \.npz file"):
        write_table(given, folder / "m.bin")
    with pytest.raises(PrecisionError, match=r"at most 10 bits, but exact\(11\) has \(11, 11\)"):
        write_table(parse_multiplier("exact(11)"), folder / "m.npz")


def test_operands_may_differ_in_width():
    table = np.outer(np.arange(16), np.arange(4))
    np.save("m.npy", table)
    multiplier = parse_multiplier("table(m.npy)")
    assert multiplier.bits == (4, 2) and int(multiplier.multiply(15, -3)) == -45
    np.save("m.npy", table.T)
    assert parse_multiplier("table(m.npy, order=wa)").bits == (4, 2)


def test_another_type_of_a_plain_file():
    put("m.bin", UNSIGNED, "uint32")
    multiplier = parse_multiplier("table(m.bin, dtype=uint32)")
    np.testing.assert_array_equal(multiplier.table().table, UNSIGNED)
    assert ",dtype=uint32," in multiplier.name and parse_multiplier(multiplier.name) == multiplier


def test_the_content_is_part_of_the_identity():
    put("m.bin", UNSIGNED, "uint16")
    first = parse_multiplier("table(m.bin)")
    changed = UNSIGNED.copy()
    changed[200, 100] += 1
    put("m.bin", changed, "uint16")
    second = parse_multiplier("table(m.bin)")
    assert first != second and int(second.multiply(200, 100)) == int(first.multiply(200, 100)) + 1
    assert "table 'm.bin' has another content than the text says" in refused(first.name)
    assert parse_multiplier("table(m.bin, order=wa)") != second


MISTAKES = {
    "signed without an index": ("int16", SIGNED, "table(m.bin,signed=True)", "the index of a signed table"),
    "signed read as unsigned": ("int32", SIGNED, "table(m.bin,dtype=int32)", "unsigned operands of 8 and 8"),
    "unsigned read as signed": (
        *("uint16", UNSIGNED * 0 + 40000, "table(m.bin,signed=True,index=value,dtype=uint16)"),
        "products of signed operands of 8 and 8 bits lie in -32768..32767, but one of them is 40000",
    ),
    "more than they can make": ("uint32", UNSIGNED + 70000, "table(m.bin,dtype=uint32)", "lie in 0..65535"),
    "not square": ("uint16", UNSIGNED[:-1], "table(m.bin)", "(131072 for 8 bits), but got 130560"),
    "another type": ("uint32", UNSIGNED[:128], "table(m.bin,dtype=int64)", "unknown dtype 'int64'"),
    "one bit": ("uint16", UNSIGNED[:2, :2], "table(m.bin)", "but got the shape (2, 2)"),
    "no such index": ("int16", SIGNED, "table(m.bin,signed=True,index=offset)", "unknown index 'offset'"),
    "an order that is none": ("uint16", UNSIGNED, "table(m.bin,order=ba)", "unknown order 'ba'; known: aw"),
    "a digest of another": ("uint16", UNSIGNED, 'table(m.bin,sha256="00000000")', "not '00000000'"),
    "empty": ("uint16", UNSIGNED[:0], "table(m.bin)", "but got 0"),
}  # fmt: skip


@pytest.mark.parametrize(("dtype", "table", "text", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_file_of_numbers_that_is_no_such_table(dtype, table, text, message):
    put("m.bin", table, dtype)
    assert message in refused(text)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (UNSIGNED.astype(float), "a table holds whole numbers of an integer type, but got float64"),
        (UNSIGNED.ravel(), "such as (256, 256) for 8 bits, but got the shape (65536,)"),
        (UNSIGNED[:255], "but got the shape (255, 256)"),
        (np.zeros((2048, 4), np.uint8), "each operand of 2 to 10 bits"),
        (np.array([[None]]), "the array holds Python objects; store plain numbers"),
    ],
)
def test_an_array_that_is_no_table(table, message):
    np.save("m.npy", table, allow_pickle=True)
    assert message in refused("table(m.npy)")


def test_an_archive_is_never_unpickled(folder):
    class Harm:
        def __reduce__(self):
            return os.mkdir, (str(folder / "harmed"),)

    np.savez("m.npz", table=np.array([[Harm()]], dtype=object))
    assert "m.npz': the array holds Python objects; store plain numbers" in refused("table(m.npz)")
    np.savez("m.npz", table=UNSIGNED, source=np.array(Harm(), dtype=object))
    assert "Python objects" in refused("table(m.npz)")
    assert not (folder / "harmed").exists()


def test_an_archive_that_is_no_table(folder):
    np.savez("m.npz", one=UNSIGNED, two=UNSIGNED)
    assert "it needs an array 'table', but has one, two" in refused("table(m.npz)")
    for notes, message in (
        ({"order": 3}, "order must be one text, but it is an array of int64 and shape ()"),
        ({"signed": "yes"}, "signed must be one truth value"),
        ({"power": [1.0, 2.0]}, "power must be one number, but it is an array of float64 and shape (2,)"),
        ({"power": float("nan")}, "power must be a finite number of at least 0, but got nan"),
        ({"order": "sideways"}, "unknown order 'sideways'"),
    ):
        np.savez("m.npz", table=UNSIGNED, **notes)
        assert message in refused("table(m.npz)")
    with zipfile.ZipFile("m.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("table.npy", bytes(1 << 25))
    assert re.search(r"table has at most \d+ bytes, but got 33554432", refused("table(m.npz)"))
    Path("m.npz").write_bytes(b"PK no archive")
    assert "m.npz'" in refused("table(m.npz)")


def test_a_path_that_leads_to_no_table(folder):
    (folder / "m.txt").write_text("1 2 3")
    with open(folder / "large.bin", "wb") as stream:
        stream.truncate(1 << 40)
    os.mkfifo(folder / "fifo.bin")
    (folder / "inside.bin").mkdir()
    assert "m.txt': the name must end in .bin, .npy or .npz" in refused("table(m.txt)")
    assert re.search(r"large\.bin': a file here has at most \d+ bytes", refused("table(large.bin)"))
    assert "this is a FIFO, and a file is needed" in refused("table(fifo.bin)")
    assert "this is a folder, and a file is needed" in refused("table(inside.bin)")
    assert "there is no such file" in refused("table(none.bin)")
    assert "path must be that of a file, but got 8" in refused("table(8)")


def test_a_folder_of_tables(folder):
    (folder / "all").mkdir()
    put("all/b.bin", UNSIGNED, "uint16")
    put("all/a.npy", UNSIGNED.T, "uint16")
    (folder / "all/README.md").write_text("words")
    found = of_folder("all")
    assert [multiplier.name.split(",")[0] for multiplier in found] == [
        'table("all/a.npy"',
        'table("all/b.bin"',
    ]
    assert parse_multipliers("tables(all)") == found
    turned = parse_multipliers("tables(all, order=wa)")
    np.testing.assert_array_equal(turned[0].table().table, UNSIGNED)
    assert parse_multipliers("exact(8)") == [parse_multiplier("exact(8)")]
    assert parse_multipliers(found[0]) == [found[0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tables(none)", "none: there is no such folder"),
        (
            "tables(empty)",
            "empty: a folder of tables has 1 to 1000 files that end in .bin, .npy, .npz, but got 0",
        ),
        ("tables()", "multipliers 'tables()': write them as tables(folder, order=aw)"),
        (
            "tables(full, sha256=12345678)",
            "full: sha256 is of one file, so leave it out of a folder of tables",
        ),
        ("tables(full, colour=red)", "got an unexpected keyword argument 'colour'; write it as table(path"),
    ],
)
def test_a_folder_that_has_none(folder, text, message):
    (folder / "empty").mkdir()
    (folder / "full").mkdir()
    put("full/m.bin", UNSIGNED, "uint16")
    with pytest.raises(PrecisionError) as caught:
        parse_multipliers(text)
    assert message in str(caught.value)


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_file_is_a_table_or_one_sentence(tmp_path_factory, data):
    """Bytes are changed, cut off or put in: nothing else than a PrecisionError ever comes out."""
    ending = data.draw(st.sampled_from(["npy", "npz", "bin"]))
    path = tmp_path_factory.mktemp("damaged") / f"m.{ending}"
    put(str(path), UNSIGNED[:16, :16], "uint16")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        match data.draw(st.sampled_from(["change", "cut", "put"])):
            case "change":
                content[place] = data.draw(st.integers(0, 255))
            case "cut":
                del content[place : place + data.draw(st.integers(1, 40))]
            case "put":
                content[place:place] = data.draw(st.binary(max_size=40))
        content = content or bytearray(b" ")
    path.write_bytes(content)
    found, said = attempted(f'table("{path}")')
    assert (found and found[0].table().table.min() >= 0) or ("\n" not in said and "m." in said)


@settings(max_examples=40)
@given(
    st.text(max_size=40) | st.from_regex(r"(table|drum|exact|tables)\([\w.=, '\"/-]{0,30}\)?", fullmatch=True)
)
def test_any_text_is_a_multiplier_or_one_sentence(text):
    found, said = attempted(text)
    assert all(isinstance(one, Multiplier) for one in found) and "\n" not in said


def attempted(text):
    """What a text stands for, or the sentence that refuses it."""
    try:
        return parse_multipliers(text), ""
    except PrecisionError as error:
        return [], str(error)
