"""Plugins: how a format of one's own comes in, and one sentence for whatever is wrong with it."""

import hashlib
import re
import sys
import warnings

import numpy as np
import pytest

from precision import plugins
from precision.errors import PrecisionError
from precision.formats import Codebook, parse, register_format, usage
from precision.formats.probe import probe
from precision.registry import FORMATS

GOOD = """\
from precision.formats import Codebook, register_format


@register_format("quarters")
def quarters(top: int = 1):
    \"\"\"Quarters up to an integer.\"\"\"
    values = [i / 4 for i in range(-4 * top, 4 * top + 1)]
    return Codebook("quarters" if top == 1 else f"quarters({top})", 8, values)
"""

# A format that rounds by code of its own; {body} computes y from x.
FREE = """\
import numpy as np
import keras

from precision.formats import NumberFormat, register_format


@register_format("own")
class Own(NumberFormat):
    name = "own"
    bits = 8
    roundings = ("nearest",)

    def quantize(self, x, rounding="nearest", key=None, *, axis=-1):
        {body}
        return y

    def values(self):
        return np.arange(-128, 128, dtype=np.float32)
"""
ARRAY_OR_TENSOR = "xp = np if isinstance(x, np.ndarray) else keras.ops; y = xp.clip(xp.round(x), -128, 127)"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty working directory; nothing of a plugin is left after the test."""
    monkeypatch.chdir(tmp_path)
    before = set(FORMATS)
    yield tmp_path
    plugins.load([])
    for name in set(FORMATS) - before:
        FORMATS.remove(name)


def write(path, text):
    path.write_text(text)
    return path.name


def refused(call, *arguments):
    with pytest.raises(PrecisionError) as caught:
        call(*arguments)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_a_plugin_file_adds_a_format(folder):
    plugins.load([write(folder / "q.py", GOOD)])
    got = parse("quarters").quantize(np.array([0.3, -7.0, np.nan]))
    np.testing.assert_array_equal(got, np.float32([0.25, -1.0, 0.0]))
    assert parse("quarters(2)").max == 2
    assert usage("quarters") == "quarters(top=1)"
    assert FORMATS.summary("quarters") == "Quarters up to an integer."
    plugins.load([])
    assert "unknown format 'quarters'" in refused(parse, "quarters")


def test_a_file_is_run_once_and_again_when_it_changed(folder):
    write(folder / "q.py", GOOD + '\nwith open("ran", "a") as file: file.write("x")\n')
    plugins.load(["q.py"])
    plugins.load([folder / "q.py", "q.py"])
    assert (folder / "ran").read_text() == "x"
    write(folder / "q.py", GOOD.replace("i / 4", "i / 8"))
    plugins.load(["q.py"])
    assert parse("quarters").eps != parse("quarters").eps  # nothing above 1 any more
    assert parse("quarters").max == 0.5


def test_the_bytes_that_were_read_are_run_whatever_becomes_of_the_file(folder):
    plugin = plugins.read(write(folder / "q.py", GOOD))
    (folder / "q.py").unlink()
    plugins.load([plugin])
    assert parse("quarters").max == 1


def test_two_files_with_one_stem(folder):
    for name in ("a", "b"):
        (folder / name).mkdir()
        (folder / name / "q.py").write_text(GOOD.replace("quarters", name))
    plugins.load(["a/q.py", "b/q.py"])
    assert parse("a") != parse("b")


def test_dataclasses_and_annotations_work_in_a_plugin(folder):
    text = """\
from __future__ import annotations
import dataclasses
@dataclasses.dataclass
class Table:
    values: list[float] = dataclasses.field(default_factory=list)
"""
    plugins.load([write(folder / "q.py", text + GOOD)])
    assert parse("quarters").max == 1


def test_a_file_that_its_author_imported_as_a_module_can_be_named_too(folder, monkeypatch):
    write(folder / "imported_quarters.py", GOOD)
    monkeypatch.syspath_prepend(folder)
    import imported_quarters

    assert imported_quarters.quarters().max == parse("quarters").max
    plugins.load(["imported_quarters.py"])
    assert plugins.identities([parse("quarters")])
    del sys.modules["imported_quarters"]


BAD_FILES = {
    "from precision.formats import register_format\n\n1 / 0\n": (
        r"q\.py:3: a plugin must load without an error, but it raised ZeroDivisionError: division"
    ),
    "def broken(:\n    pass\n": r"q\.py:1: the plugin is not Python: invalid syntax; correct this line",
    "import no_such_module_at_all\n": r"q\.py:1: .*ModuleNotFoundError.*; install what it imports or leave",
    "import sys\nsys.exit(3)\n": r"q\.py:2: .*SystemExit: 3",
    "raise ValueError('two\\nlines')\n": r"q\.py:1: .*ValueError: two lines",
    "x = 1\n": r"q\.py: a plugin must register something, but this file registers nothing; put a dec",
    "": r"q\.py: a plugin must register something",
    "\0": r"q\.py:1: .*null bytes",
    GOOD.replace('"quarters"', '"fixed"', 1): (
        r"q\.py:4: format 'fixed' is already registered by precision\.formats\.families\.fixed"
    ),
    GOOD + GOOD: r"q\.py:1[0-9]: format 'quarters' is already registered by q\.py:4; choose",
    GOOD.replace(
        '"quarters"', '"my-format"', 1
    ): r"q\.py:4: the name of a format is letters.*got 'my-format'",
    GOOD.replace(
        '("quarters")', "", 1
    ): r"q\.py:4: the name of a format is letters.*but got <function quarters",
    "from precision.formats import register_format\nregister_format('x')(42)\n": (
        r"q\.py:2: format 'x' needs a function that makes it, but got 42"
    ),
}


@pytest.mark.parametrize("number", range(len(BAD_FILES)))
def test_a_file_that_is_no_plugin(folder, number):
    text, message = list(BAD_FILES.items())[number]
    before = set(FORMATS)
    said = refused(plugins.load, [write(folder / "q.py", text)])
    assert re.match(message, said), said
    assert set(FORMATS) == before and not plugins.loaded()


def test_a_file_that_cannot_be_read(folder):
    write(folder / "q.py", GOOD)
    assert refused(plugins.load, ["p.py"]) == "p.py: there is no such file; . has q.py"
    assert "no such file; check the path" in refused(plugins.load, ["nowhere/p.py"])
    (folder / "d.py").mkdir()
    assert "d.py: this is a folder, and a file is needed" in refused(plugins.load, ["d.py"])
    assert "q.txt: a plugin is a Python file whose name ends in .py" in refused(plugins.load, ["q.txt"])


def test_two_plugins_with_one_format(folder):
    write(folder / "a.py", GOOD)
    write(folder / "b.py", "# another\n" + GOOD)
    text = refused(plugins.load, ["a.py", "b.py"])
    assert text == "b.py:5: format 'quarters' is already registered by a.py:4; choose another name"
    plugins.load(["b.py"])  # one of them alone
    assert parse("quarters").max == 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "values =",
            "1 / 0; values =",
            r"q\.py:7: the factory of format 'quarters' .*raised ZeroDivisionError",
        ),
        (
            "    return Codebook",
            "    Codebook",
            r"q\.py:4: .*must return a NumberFormat, but it returned None",
        ),
        (
            '"quarters" if top',
            '"fixed(8,4)" if top',
            r"q\.py:4: the name of a format must be .*gave.*'fixed\(8,4\)'",
        ),
        (
            '"quarters" if top',
            '"quartres" if top',
            r".*'quarters' gave the name 'quartres'; name it 'quarters'",
        ),
        ('"quarters" if top', "None if top", r".*but 'quarters' gave the name None"),
    ],
)
def test_a_factory_that_gives_no_format(folder, old, new, message):
    plugins.load([write(folder / "q.py", GOOD.replace(old, new))])
    said = refused(parse, "quarters")
    assert re.match(message, said), said


def test_the_authors_own_refusal_is_left_as_it_is(folder):
    text = GOOD.replace(
        "    values =", '    if top > 9: raise PrecisionError(f"quarters: {top} > 9")\n    values ='
    )
    plugins.load([write(folder / "q.py", "from precision.errors import PrecisionError\n" + text)])
    assert refused(parse, "quarters(10)") == "quarters: 10 > 9"
    assert "write it as quarters(top=1)" in refused(parse, "quarters(1, 2)")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "1 / 0",
            r"q\.py:14: quantize of format 'own' must round float32 of any shape, but for an array of "
            r"shape \(7,\) it raised ZeroDivisionError",
        ),
        (
            "y = x.reshape(-1)",
            r"q\.py:13: quantize .*must return float32 in the shape.*for an array of shape "
            r"\(5, 3\) it returned the shape \(15,\)",
        ),
        ("y = x.astype('float64')", r"q\.py:13: .*it returned float64; try 'precision formats check own'"),
        ("y = None", r"q\.py:13: .*it returned a builtins NoneType"),
        (
            "y = keras.ops.round(x)",
            r"q\.py:13: .*for an array of shape \(7,\) it returned a tensorflow EagerTensor",
        ),
        (
            "y = np.round(np.asarray(x))",
            r"q\.py:14: .*for a tensor of shape \(None, 3\) it raised NotImplementedError",
        ),
    ],
)
def test_a_quantize_that_is_wrong_is_found_before_training(folder, body, message):
    plugins.load([write(folder / "q.py", FREE.format(body=body))])
    said = refused(probe, parse("own"))
    assert re.match(message, said), said


def test_a_format_of_many_bits_must_tell_its_range(folder):
    text = FREE.format(body=ARRAY_OR_TENSOR).replace("return np.arange", "raise MemoryError; np.arange")
    plugins.load([write(folder / "q.py", text)])
    assert "give it values(), or lowest and max" in refused(probe, parse("own"))


@pytest.mark.parametrize("bits", ["0", "'8'", "None", "float('nan')"])
def test_bits_are_a_number(folder, bits):
    text = FREE.format(body=ARRAY_OR_TENSOR).replace("bits = 8", f"bits = {bits}")
    plugins.load([write(folder / "q.py", text)])
    assert "q.py:13: bits of format 'own' must be a number with 0 < bits <= 64, but got" in refused(
        probe, parse("own")
    )


def test_what_comes_out_of_a_plugin_anywhere_is_told_with_its_line(folder):
    plugins.load([write(folder / "q.py", FREE.format(body="y = [][3]"))])
    with pytest.raises(IndexError) as caught:
        parse("own").encode(np.zeros(3))
    text = plugins.blame(caught.value)
    assert text.startswith("q.py:14: quantize of a plugin must work") and "IndexError: list index" in text
    with pytest.raises(IndexError) as caught:
        [][3]
    assert plugins.blame(caught.value) is None


def test_what_is_right_passes_the_probe(folder):
    plugins.load([write(folder / "free.py", FREE.format(body=ARRAY_OR_TENSOR)), write(folder / "q.py", GOOD)])
    probe(parse("own"))
    for rounding in parse("quarters").roundings:
        probe(parse("quarters"), rounding)


def test_identity_is_the_content_of_the_files_that_are_used(folder):
    write(folder / "q.py", GOOD)
    write(folder / "other.py", GOOD.replace("quarters", "eighths"))
    plugins.load(["q.py", "other.py"])
    digest = hashlib.sha256(GOOD.encode()).hexdigest()
    assert plugins.identities([parse("quarters(2)")]) == {"quarters": f"sha256 {digest}"}
    assert plugins.identities([parse("fixed(8,4)"), parse("posit(8,2)")]) == {}
    assert list(plugins.identities([parse("block(quarters,16)")])) == ["quarters"]
    assert plugins.sources({"quarters": "sha256 12"}) == "quarters: q.py sha256 12"


def test_a_plugin_that_mentions_another_depends_on_it(folder):
    write(folder / "q.py", GOOD)
    write(folder / "other.py", GOOD.replace("quarters", "eighths") + '# after parse("quarters")\n')
    plugins.load(["q.py", "other.py"])
    assert list(plugins.identities([parse("eighths")])) == ["eighths", "quarters"]
    assert list(plugins.identities([parse("quarters")])) == ["quarters"]


def test_a_format_of_this_process_alone_cannot_be_in_a_grid():
    register_format("mine")(lambda: Codebook("mine", 1, [-1, 1]))
    text = refused(plugins.identities, [parse("mine")])
    assert re.match(r"format 'mine' was registered by .*test_plugins\.py:\d+, which the processes", text), (
        text
    )


def package(folder, name, value, code, version="1.0"):
    """Lay out an installed package: a module and its metadata."""
    (folder / f"{value.split(':')[0]}.py").write_text(code)
    metadata = folder / f"{value.split(':')[0]}-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: package-of-{name}\nVersion: {version}\n"
    )
    (metadata / "entry_points.txt").write_text(f"[precision.formats]\n{name} = {value}\n")


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of installed packages."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    modules = set(sys.modules)
    yield site
    for name in set(sys.modules) - modules:
        if getattr(sys.modules[name], "__file__", None) and str(site) in sys.modules[name].__file__:
            del sys.modules[name]


def test_a_package_is_imported_when_its_format_is_asked_for(site):
    package(site, "quarters", "quarters_module", GOOD)  # a module, which registers it
    undecorated = GOOD.replace("quarters", "eighths").replace('@register_format("eighths")', "")
    package(site, "eighths", "eighths_module:eighths", undecorated, "2.1")  # a factory
    package(site, "broken", "broken_module", "1 / 0")
    parse("fixed(8,4)")
    assert "did you mean 'quarters'" in refused(parse, "quartres")
    assert not {"quarters_module", "eighths_module"} & set(sys.modules)
    assert parse("quarters(2)").max == 2
    assert "eighths_module" not in sys.modules
    assert parse("eighths").max == 1
    digest = hashlib.sha256((site / "eighths_module.py").read_bytes()).hexdigest()
    expected = f"package-of-eighths 2.1 sha256 {digest}"
    assert plugins.identities([parse("eighths")]) == {"eighths": expected}
    assert plugins.sources({"eighths": expected}) == f"eighths: {expected}"


@pytest.mark.parametrize("value", ["odd_module:Odd", "odd_module:odd", "odd_module:again"])
def test_a_factory_may_be_a_class_or_a_partial(site, value):
    code = """\
import functools
from precision.formats import Codebook
class Odd(Codebook):
    def __init__(self):
        super().__init__("odd", 1, [-1, 3])
def odd():
    return Odd()
again = functools.partial(odd)
"""
    package(site, "odd", value, code)
    digest = hashlib.sha256(code.encode()).hexdigest()
    assert plugins.identities([parse("odd")]) == {"odd": f"package-of-odd 1.0 sha256 {digest}"}


@pytest.mark.parametrize(
    ("value", "code", "message"),
    [
        ("bad_module", "1 / 0", "it raised ZeroDivisionError: division by zero"),
        ("bad_module", "x = 1", "the module bad_module registers no format 'odd'"),
        ("bad_module:nothing", "x = 1", "it raised AttributeError: module 'bad_module' has no attribute"),
        ("bad_module:x", "x = 1", "bad_module:x is no factory but 1"),
        (
            "bad_module",
            GOOD.replace('"quarters"', '"fixed"'),
            "format 'fixed' is already registered by precision",
        ),
    ],
)
def test_a_broken_package(site, value, code, message):
    package(site, "odd", value, code)
    text = refused(parse, "odd")
    assert text.startswith(f"package package-of-odd 1.0: the entry point 'odd = {value}' must give a format")
    assert message in text and text.endswith("; update or uninstall the package")
    assert parse("fixed(8,4)").bits == 8  # which does not need the package
    with pytest.warns(UserWarning, match="package-of-odd"):
        FORMATS.load_all()


def test_listing_loads_every_package_and_warns_of_what_it_cannot_use(site):
    package(site, "quarters", "quarters_module", GOOD)
    package(site, "fixed", "fixed_module", GOOD)
    package(site, "odd", "bad_module", "1 / 0")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        FORMATS.load_all()
    assert [str(w.message).split(":")[0] for w in caught] == [
        "package package-of-fixed 1.0",
        "package package-of-odd 1.0",
    ]
    assert "is not used, because precision.formats.families.fixed has that name" in str(caught[0].message)
    assert "quarters" in FORMATS


def test_a_name_that_two_packages_offer(site):
    package(site, "quarters", "one_module", GOOD)
    (site / "one_module-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: first\nVersion: 1.0\n"
    )
    package(site, "quarters", "two_module", GOOD)
    text = refused(parse, "quarters")
    assert "first 1.0" in text and "package-of-quarters 1.0" in text and "uninstall one" in text


def test_a_plugin_file_cannot_take_the_name_of_a_package(site, folder):
    package(site, "quarters", "quarters_module", GOOD)
    text = refused(plugins.load, [write(folder / "q.py", GOOD)])
    assert text.startswith(
        "q.py:4: format 'quarters' is already offered by the installed package package-of-quarters"
    )
    assert "quarters_module" not in sys.modules
