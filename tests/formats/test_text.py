"""Format texts: parsed, printed, refused."""

import subprocess
import sys

import pytest

from precision.errors import PrecisionError
from precision.formats import parse


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("float32", "float32"),
        (" fixed( 8 , 4 ) ", "fixed(8,4)"),
        ("fixed(wl=8, fl=4)", "fixed(8,4)"),
        ("fixed(8,-2)", "fixed(8,-2)"),
        ("float(4,3)", "float(4,3)"),
        ("float(4,3,overflow=infinity)", "float(4,3)"),
        ("float(4,3,overflow='saturate')", "float(4,3,overflow=saturate)"),
        ("float8_e4m3fn(overflow=nan)", "float8_e4m3fn"),
        ("float8_e4m3fn(overflow=saturate)", "float8_e4m3fn(overflow=saturate)"),
    ],
)
def test_prints_what_parses_back(text, canonical):
    f = parse(text)
    assert f.name == str(f) == canonical
    assert parse(canonical) == f


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flaot16", "did you mean 'float16'"),
        ("fixd(8,4)", "did you mean 'fixed'"),
        ("fixed(8", "malformed"),
        ("fixed(8)", "missing a required argument: 'fl'; write it as fixed\\(wl, fl, "),
        ("fixed(8,4,2)", "too many positional"),
        ("fixed(8,4,ovreflow=nan)", "unexpected keyword"),
        ("float(4,3,overflow=saturat)", "did you mean 'saturate'"),
        ("float8_e4m3fn(overflow=infinity)", "unknown overflow 'infinity'; known: nan, saturate"),
        ("float(0,3)", "2 <= e <= 8"),
        ("float(4,0)", "1 <= m <= 23"),
        ("float(9,3)", "2 <= e <= 8"),
        ("__import__('os').system('true')", "malformed"),
        ("fixed(__import__('os'),4)", "wl must be an integer"),
        ("fixed(*[8,4])", "malformed"),
        ("fixed(**{})", "malformed"),
        ("(" * 500, "malformed"),
        ("", "malformed"),
        ("a\0b", "malformed"),
        (8, "a format is a text"),
        (None, "a format is a text"),
    ],
)
def test_refusals(text, message):
    with pytest.raises(PrecisionError, match=message):
        parse(text)


def test_parsing_imports_no_framework():
    code = (
        "import sys, precision.formats as f; f.parse('fixed(8,4)');"
        "sys.exit('keras' in sys.modules or 'tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        *(("int8", "'int(8)'"), ("INT4", "'int(4)'"), ("uint8", "'uint(8)'"), ("i16", "'int(16)'")),
        *(("fp16", "'float16'"), ("half", "'float16'"), ("bf16", "'bfloat16'"), ("fp32", "'float32'")),
        *(("float8", "'float8_e4m3fn' or 'float8_e5m2'"), ("fp8", "'float8_e4m3fn' or 'float8_e5m2'")),
        *(("E4M3", "'float8_e4m3fn'"), ("e5m2", "'float8_e5m2'"), ("e4m3fnuz", "'float8_e4m3fnuz'")),
        *(("E3M7", "'float(3,7)'"), ("fp4", "'float4_e2m1fn'"), ("mxfp4", "'mxfp4_e2m1'")),
        *(("posit8", "'posit(8,2)'"), ("bfp16", "'bfp(16)'"), ("int8(4)", "'int(8)'")),
    ],
)
def test_names_from_elsewhere(text, suggestion):
    with pytest.raises(PrecisionError) as caught:
        parse(text)
    assert str(caught.value) == f"unknown format '{text}'; did you mean {suggestion}?"
    for word in suggestion.split(" or "):
        assert parse(word.strip("'"))


def test_names_from_elsewhere_lead_to_formats():
    from precision.formats import names

    for text in names._NAMES:
        assert parse(text)
    for word in names._MEANT:
        with pytest.raises(PrecisionError, match="did you mean"):
            parse(word)
