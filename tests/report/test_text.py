import pytest

from precision.report.document import Unit
from precision.report.render.markdown import document, escape
from precision.report.text import NONE, bits, number, seconds, signed, size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a|b", r"a\|b"),
        ("a\nb\r\n c", "a b c"),
        ("<script>&", "&lt;script&gt;&amp;"),
        ("[x](http://y)", r"\[x\](http://y)"),
        ("![x](y)", r"!\[x\](y)"),
        ("`a` *b* ~c~", r"\`a\` \*b\* \~c\~"),
        (r"a\|b", r"a\\\|b"),
        ("basic_cnn_2", "basic_cnn_2"),
        ("_x_ __y__", r"\_x\_ \_\_y\_\_"),
        ("fixed(8,4)", "fixed(8,4)"),
    ],
)
def test_a_text_means_only_itself(text, expected):
    assert escape(text) == expected


def test_a_document_keeps_its_markdown_but_not_html():
    assert document("# A\n\n*b* <img src=x> R&D\n") == "# A\n\n*b* &lt;img src=x> R&amp;D"


def test_a_document_closes_its_code():
    assert document("```\ncode") == "```\ncode\n```"
    assert document("```\ncode\n```") == "```\ncode\n```"


def test_numbers():
    assert [size(v) for v in (512, 1536, 5 * 2**20, 3 * 2**30, 5000 * 2**30)] == [
        "512 B",
        "1.5 KiB",
        "5.0 MiB",
        "3.0 GiB",
        "5000.0 GiB",
    ]
    assert [bits(v) for v in (8.0, 8.25, 8.333333, 32)] == ["8", "8.25", "8.33", "32"]
    assert [signed(v) for v in (0.0, -0.00001, 0.0123, -0.5)] == ["0.00", "0.00", "+1.23", "-50.00"]
    assert [seconds(v) for v in (0.1234, 12.34, 1234.5)] == ["0.12", "12.3", "1234"]
    assert number(12345.6, Unit.COUNT) == "12,346"


@pytest.mark.parametrize("unit", Unit)
def test_a_missing_number_is_a_dash(unit):
    assert number(float("nan"), unit) == NONE
