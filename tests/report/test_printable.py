"""A report of names and errors that would steer a terminal is text, in each of its files."""

from dataclasses import replace

from precision.report import answer_text, pivot_text, write

EVIL = "\x1b[1mbold\x1b[0m\x1b[2J\x1b]0;title\x07\x9b31mred\u202e\x00"


def test_a_report_of_evil_texts(grid, results, failed, tmp_path):
    frame = failed(
        grid((EVIL, "vgg"), {"float32": 32.0, f"fixed8{EVIL}": 8.0}), "failed", f"=1+1{EVIL}", method="qat"
    )
    frame["dataset_title"] = EVIL
    given = results(frame)
    given = replace(
        given, name=f"x{EVIL}", description=f"*A* document\n\n{EVIL}", environment={"machine": EVIL}
    )
    write(given, tmp_path)
    texts = {
        path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir() if path.suffix != ".png"
    }
    texts |= {"pivot": pivot_text(given), "answer": answer_text(given)}
    assert {"report.md", "results.csv", "summary.csv"} <= texts.keys()
    for name, text in texts.items():
        assert all(c.isprintable() or c == "\n" for c in text), name
        assert "boldred" in text, name
    assert "'=1+1boldred" in texts["results.csv"]
