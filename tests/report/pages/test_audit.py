import math

import pandas as pd
import pytest

from precision.analysis.audit import AUDIT_COLUMNS, LAYER_COLUMNS, Audited, File, answers
from precision.report.figures.audit import audit_figure
from precision.report.pages.audit import audit_text, write_audit

BASELINE = {"accuracy": 0.9, "weight_bytes": 4000, "weight_bits": 32.0, "activation_bits": 32.0}
LAYERS = pd.DataFrame(
    [(f"conv{n}", "", 500, 20.0 + n, 0.01, 0.1, 0.02) for n in range(20)], columns=list(LAYER_COLUMNS)
)


def row(target, policy, size, difference, low, high, verdict, images=10_000, **more):
    return {
        **dict.fromkeys(AUDIT_COLUMNS),
        **{"target": target, "policy": policy, "formats": policy, "weight_bytes": size, "images": images},
        **{"weight_bits": size / 125, "activation_bits": math.nan, "activation_bytes": 100.0},
        **{"compression": 4000 / size, "accuracy": 0.9 + difference, "baseline_accuracy": 0.9},
        **{"accuracy_difference": difference, "low": low, "high": high},
        **{"confidence": 0.95 if images == 10_000 else 0.999, "better": 1, "worse": 2, "p": 1.0},
        **{"verdict": verdict, "named": False},
        **more,
    }


def found(*rows, notes=(), files=()):
    frame = pd.DataFrame(list(rows), columns=list(AUDIT_COLUMNS))
    chosen = answers(frame, BASELINE, 1.0)
    pairs = {(a["architecture"], a["policy"]) for _, a in chosen.iterrows() if a["verdict"] == "found"}
    frame["named"] = [(r.target, r.policy) in pairs for r in frame.itertuples()]
    model, data = {"end": "3 logits"}, {"data": "pets"}
    about = (model, data, notes, LAYERS, "int4", {"python": "3"})
    return Audited("m-audit", 1.0, frame, chosen, *about, tuple(files))


SMALL = row("chips", "int4", 500, -0.0300, -0.0411, -0.0190, "lost", images=1000)
DOUBT = row("chips", "int6", 750, -0.0050, -0.0120, 0.0020, "not shown")
GOOD = row("chips", "int8", 1000, -0.0010, -0.0040, 0.0020, "safe")
LARGE = row("chips", "int16", 2000, 0.0, -0.0170, 0.0170, "larger than needed", images=1000)


def test_the_smallest_safe_format_is_named_and_why_no_smaller_one():
    text = audit_text(found(SMALL, DOUBT, GOOD, LARGE, notes=("beware",)))
    assert (
        "chips: int8 is the smallest safe format, -0.10 points (-0.40 to +0.20 at 95 %, 10,000 images); no "
        "difference is shown (p = 1); its weights take 1000 B, 4.0 times less than in float32. int6 has "
        "-0.50 points (-1.20 to +0.20 at 95 %, 10,000 images); to show that this is within would take about "
        "20,000 test images."
    ) in text
    real = {**GOOD, "p": 0.004, "better": 5, "worse": 25}
    assert "; the loss is real (p = 0.004); its weights" in audit_text(found(SMALL, real))
    twin = {**DOUBT, "policy": "fp8", "weight_bytes": GOOD["weight_bytes"]}
    assert "fp8" not in audit_text(found(SMALL, twin, GOOD))  # which is no smaller one
    assert "beware" in text and "most sensitive, as int4 rounds them: conv0, conv1, conv2" in text


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (
            [SMALL, DOUBT],
            "chips: no format is shown to lose at most 1 percentage point; int6 has -0.50 points",
        ),
        ([SMALL], "chips: every format loses more than 1 percentage point; int4 loses least, -3.00 points"),
    ],
)
def test_where_nothing_is_safe_the_best_is_told(rows, text):
    assert text in audit_text(found(*rows))


def test_the_report_has_every_format_of_every_target(tmp_path):
    other = {**DOUBT, "target": "[other]|hardware"}
    write_audit(found(SMALL, DOUBT, GOOD, LARGE, other), ["precision", "audit", "m.keras"], tmp_path)
    text = (tmp_path / "audit.md").read_text()
    lines = text.splitlines()
    assert sum(line.startswith("| int6 ") for line in lines) == 2
    assert sum(line.startswith("| **int8** ") for line in lines) == 1
    assert any("none is shown" in line for line in lines) and "nan" not in text
    assert "The 5 others are less sensitive." in text
    assert len(pd.read_csv(tmp_path / "audit.csv")) == 5 and len(pd.read_csv(tmp_path / "layers.csv")) == 20
    assert (tmp_path / "audit.png").stat().st_size > 1000


COMMAND = "precision export m.keras --data d.npz --policy '{weights: \"int(8,a=b)\"}' --to m-int8.onnx"
REFUSED = File("chips", "int8", "LiteRT", why="layer 'norm' has no words")
FITS = File("chips", "int8", "ONNX", COMMAND, COMMAND.replace("d.npz", "e.npz"), 1234, "weights in INT8")
LACKS = File("chips", "int8", "ONNX", COMMAND, COMMAND, needs="pip install 'precision[onnx]'")


@pytest.mark.parametrize(
    ("files", "sentence", "command"),
    [
        ((REFUSED, FITS), "chips: int8 is written as ONNX (weights in INT8, 1,234 bytes).", True),
        ((FITS, FITS), "(weights in INT8, 1,234 bytes; ONNX can, too).", True),
        ((LACKS,), "chips: int8 is written as ONNX (pip install 'precision[onnx]').", True),
        ((REFUSED, REFUSED), "chips: no file says int8: layer 'norm' has no words.", False),
    ],
)
def test_the_file_that_fits_is_named_with_its_command(files, sentence, command, tmp_path):
    one = found(GOOD, files=files)
    lines = audit_text(one).splitlines()
    assert any(line.endswith(sentence) for line in lines), lines
    assert (COMMAND in lines) == command  # on a line of its own, whole
    write_audit(one, ["precision", "audit", "m.keras"], tmp_path)
    text = (tmp_path / "audit.md").read_text()
    assert "## Files to deploy" in text and text.count("layer 'norm' has no words") == files.count(REFUSED)
    assert all(file.portable in text.splitlines() for file in files if file.portable)


def test_a_figure_of_very_many_formats_fits_a_page():
    rows = [row("chips", f"int{n}", 100 + n, -n / 1000, -n / 500, 0.01, "safe") for n in range(90)]
    figure = audit_figure(pd.DataFrame(rows), 1.0)
    assert figure.get_figheight() <= 10
    assert "Not shown, for want of room: the formats int" in figure._supxlabel.get_text()
