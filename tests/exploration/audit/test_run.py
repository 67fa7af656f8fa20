"""Whole audits: against the grid engine on the same policies, interrupted, and of what cannot be audited."""

import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import here
from scipy import stats
from stopped import interrupted_at

import precision
from precision.analysis import smallest_within_tolerance, summary
from precision.analysis.collect import collect
from precision.analysis.results import ReportSettings
from precision.deploy.predictor import KerasPredictor
from precision.errors import PrecisionError
from precision.exploration.audit import deployed, grid_file, ladder
from precision.grid import Store, expand, load_grid
from precision.methods.evaluation import evaluate
from precision.methods.run import run_trial
from precision.methods.workbench import Workbench
from precision.quantization import Policy


@pytest.fixture(scope="session")
def engine(audited):
    """The grid that the audit wrote, run in a store of its own by the methods of the grid."""
    grid, source = load_grid(audited.report / "audit.yaml")
    cells = expand(grid, source)
    store = Store(audited.folder / "of-the-grid")
    store.create()
    bench = Workbench(None, store.weights)
    for cell in cells:
        store.save(run_trial(cell.trial, bench))
    return collect(grid, source, cells, store)


def test_the_answer_is_that_of_the_whole_grid(audited, engine):
    choice = smallest_within_tolerance(summary(engine.cells()), "float32", 2).iloc[0]
    answer = audited.found.answers.iloc[0]
    assert (
        (answer["verdict"], answer["policy"]) == (choice["verdict"], choice["policy"]) == ("found", "fixed8")
    )
    numbers = ["accuracy_difference_low", "accuracy_difference_high", "weight_bytes", "compression"]
    assert answer[numbers].tolist() == pytest.approx(choice[numbers].tolist())
    assert engine.settings == ReportSettings(tolerance=2.0)


def test_the_numbers_of_a_format_are_those_of_its_trial(audited, engine):
    cells = engine.cells().set_index("policy")
    labels = np.load(audited.folder / "digits.npz")["y_test"]
    exact = engine.predictions(cells.loc["float32", "trial"]) == labels
    whole = audited.found.frame[audited.found.frame["confidence"] == 0.95]
    assert len(whole) >= 2
    for row in whole.itertuples():
        trial = cells.loc[row.policy]
        right = engine.predictions(trial["trial"]) == labels
        assert row.images == len(labels) == trial["test_images"]
        assert row.accuracy == pytest.approx(trial["accuracy"])
        assert row.weight_bytes == trial["weight_bytes"] and row.activation_bits == trial["activation_bits"]
        assert (row.better, row.worse) == ((right & ~exact).sum(), (exact & ~right).sum())
        single = row.better + row.worse
        p = stats.binomtest(int(row.better), int(single)).pvalue if single else 1
        assert row.p == pytest.approx(p)


def test_what_a_grid_has_run_is_not_computed_again(audited, engine, monkeypatch):
    from precision.exploration.audit import compared, layers

    monkeypatch.setattr(compared, "Traced", lambda *words, **options: None)
    monkeypatch.chdir(audited.folder)
    shutil.copytree(audited.folder / "runs" / "audit", audited.folder / "of-the-grid" / "audit")
    for file in (audited.folder / "of-the-grid" / "audit").glob("*.jsonl"):
        lines = file.read_text().splitlines(keepends=True)  # the layers alone are left of the first audit
        file.write_text("".join(line for line in lines if '"about"' in line or '"rounded"' in line))
    monkeypatch.setattr(layers, "Traced", None)
    again = precision.audit(
        "model.keras",
        data="digits.npz",
        store="of-the-grid",
        quiet=True,
        output="again",
        targets=["fixed"],
        tolerance=2,
    )
    pd.testing.assert_frame_equal(again.frame, audited.found.frame)
    pd.testing.assert_frame_equal(again.layers, audited.found.layers)


def test_a_format_that_the_network_cannot_have_is_left_out(audited, monkeypatch):
    from precision.exploration.audit import run

    sized = run.rung_of

    def refused(bench, cell):
        if cell.policy == "fixed6":
            raise PrecisionError("layer 'hidden' cannot be rounded so")
        return sized(bench, cell)

    monkeypatch.setattr(run, "rung_of", refused)
    monkeypatch.chdir(audited.folder)
    words = {"data": "digits.npz", "quiet": True, "targets": ["fixed"], "tolerance": 2}
    found = precision.audit("model.keras", output="left-out", **words)
    assert "fixed6 is left out: layer 'hidden' cannot be rounded so" in found.notes
    assert "fixed6" not in set(found.frame["policy"]) and found.answers["policy"].tolist() == ["fixed8"]
    assert "fixed6 is left out" in (audited.folder / "left-out" / "audit.md").read_text()


def test_a_part_alone_is_the_network_with_that_part_rounded(audited):
    found, report = audited.found, audited.report
    grid, source = load_grid(report / "audit.yaml")
    policy = grid.policies[found.rounded]
    cells = {cell.policy: cell for cell in expand(grid, source)}
    trial = cells[found.rounded].trial
    bench = Workbench(None, Store(audited.folder / "runs").weights)
    data = bench.dataset(trial.dataset)
    assert set(found.layers["part"]) == {"hidden", "scores"}
    row = found.layers[found.layers["part"] == "hidden"].iloc[0]
    assert row["images"] == len(data.x_train) == 297
    slots = dict(policy.slots)
    alone = Policy(
        layers=tuple((name, slots) for name in row["layers"].split(", ")),
        images=policy.images,
        fold_batch_norm=True,
    )
    exact = evaluate(KerasPredictor(bench.source(trial, alone)), data.x_train, data.y_train)
    rounded = evaluate(KerasPredictor(bench.quantised(trial, alone)), data.x_train, data.y_train)
    assert row["loss_rise"] == pytest.approx(rounded.loss - exact.loss, rel=1e-4)
    assert row["changed"] == (exact.predictions != rounded.predictions).mean()


def test_the_report_says_what_was_found(audited):
    text = (audited.report / "audit.md").read_text()
    names = {file.name for file in audited.report.iterdir()}
    assert names == {*("audit.md", "audit.csv", "layers.csv", "audit.png", "audit.yaml", "made_from.json")}
    for part in (
        "- fixed point on an FPGA: **fixed8** is the smallest safe format, ",
        "- end: 10 probabilities (softmax)",
        "- batch normalisations: 0 folded into the layers before them; norm stays, as ",
        "- ranges of scales: chosen on 297 of the 297 training images",
        "without\nany retraining, and emulated",
        "precision audit model.keras --data digits.npz --target=fixed --tolerance=2",
        "[audit.yaml](audit.yaml) has all formats as a grid",
    ):
        assert part in text, part
    stored = pd.read_csv(audited.report / "audit.csv")
    pd.testing.assert_frame_equal(stored, audited.found.frame, check_dtype=False, rtol=1e-9)
    assert "nan" not in text


def test_the_file_that_fits_is_written_by_the_command_as_printed(audited, workplace):
    assert [(file.kind, bool(file.command)) for file in audited.found.files] == [
        ("QONNX", True),
        ("ONNX", True),
        ("LiteRT", False),  # has no normalisation of its own
    ]
    first, second, third = audited.found.files
    assert "(BatchNormalization) cannot be computed in integers" in third.why
    assert first.holds == "weights of 8 bits, activations of 8 bits"
    assert second.holds == "weights in INT8, activations in INT8"
    program, *words = shlex.split(second.command)
    done = here(workplace, *words)
    assert program == "precision" and done.returncode == 0, done.stderr
    assert (workplace / "model-fixed8.onnx").stat().st_size == second.bytes
    text = (audited.report / "audit.md").read_text()
    assert all(file.portable in text.splitlines() for file in (first, second))


def test_a_format_that_no_file_says_and_a_package_that_is_missing(audited, monkeypatch):
    def missing():
        raise PrecisionError("pip install 'precision[onnx]'")

    cells = {cell.policy: cell for cell in expand(*load_grid(audited.report / "audit.yaml"))}
    kinds = {name: replace(kind, installed=missing) for name, kind in deployed.KINDS.items()}
    monkeypatch.setattr(deployed, "KINDS", kinds)
    given = grid_file.Given(Path("model.keras"), "digits.npz", {"scale": "none"}, Path("/data"), ("p.py",))

    def told(label):
        (target,) = ladder.chosen(["fixed"])
        answer = {"architecture": target.title, "policy": label, "verdict": "found"}
        return list(deployed.files([answer], [target], cells, None, given))

    files = told("fixed8")
    assert [file.needs for file in files] == ["pip install 'precision[onnx]'"] * 3
    assert shlex.split(files[2].command) == [
        *("precision", "export", "model.keras", "--data", "digits.npz", "--data-dir", "/data"),
        *("--data-option=scale=none", "--policy", deployed.spec(ladder.TARGETS[1].policies["fixed8"])),
        *("--to", "model-fixed8.tflite", "--plugin=p.py"),
    ]
    assert "--data-dir" not in files[2].portable
    assert "but got 'fixed(12,0) 2^k per tensor" in told("fixed12")[2].why and not told("fixed12")[2].command


def test_an_interrupted_audit_goes_on_where_it_was(workplace, audited):
    words = ["audit", "model.keras", "--data", "digits.npz", "--target", "fixed", "--tolerance", "2"]
    with interrupted_at("row kept", 3):
        stopped = here(workplace, *words)
    assert stopped.returncode == 130, stopped.stderr
    assert "interrupted; what is finished is kept" in stopped.stderr
    assert (workplace / "reports" / "model-audit" / "audit.yaml").exists()
    (file,) = (workplace / "runs" / "audit").glob("*.jsonl")
    kept = file.read_bytes()
    assert kept.count(b"\n") == 1 + 3
    done = here(workplace, *words)
    assert done.returncode == 0, done.stderr
    assert file.read_bytes().startswith(kept)
    assert "3 comparisons were stored before and are not repeated" in done.stderr
    assert "fixed point on an FPGA: fixed8 is the smallest safe format" in done.stdout
    assert "report: reports/model-audit/audit.md" in done.stdout
    stored = pd.read_csv(workplace / "reports" / "model-audit" / "audit.csv")
    pd.testing.assert_frame_equal(stored, audited.found.frame, check_dtype=False, rtol=1e-9)


def test_a_model_that_reads_its_images_otherwise_is_told_how(workplace):
    with np.load(workplace / "digits.npz") as file:
        arrays = dict(file)
    flipped = {name: 1 - value if name.startswith("x") else value for name, value in arrays.items()}
    np.savez(workplace / "noise.npz", **{**arrays, "x_test": flipped["x_test"] * 0.01})
    done = here(workplace, "audit", "model.keras", "--data", "noise.npz")
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert "model.keras: in float32 the model is right on" in done.stderr and "--data-option" in done.stderr


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["none.keras", "--data", "digits.npz"], "none.keras: there is no such file"),
        (["digits.npz", "--data", "digits.npz"], "digits.npz: a model is a .keras or .h5 file"),
        (
            ["model.keras", "--data", "none"],
            "none: there is no such file or folder, and no data set of that name",
        ),
        (["model.keras", "--data", "none.npz"], "precision: none.npz: there is no such file"),
        (["model.keras", "--data", "iris"], "model.keras: the model reads 8x8x1, but the data set has 4"),
        (["model.keras", "--data", "few.npz"], "the model tells 10 classes apart, but the data set has 3"),
        (["model.keras", "--data", "photos"], "photos: "),
        (
            ["model.keras", "--data", "digits.npz", "--data-option", "scale"],
            "--data-option is written KEY=VALUE",
        ),
        (
            ["model.keras", "--data", "digits.npz", "--data-option", "scale=x"],
            "option 'scale' of dataset 'npz'",
        ),
        (["model.keras", "--data", "digits.npz", "--target", "fpga"], "unknown target 'fpga'"),
        (["model.keras", "--data", "digits.npz", "--tolerance", "-1"], "--tolerance is in percentage points"),
    ],
)
def test_wrong_words_are_one_sentence(words, text, workplace):
    (workplace / "photos").mkdir()
    rng = np.random.default_rng(0)
    np.savez(workplace / "few.npz", x=rng.random((30, 8, 8, 1)), y=np.arange(30) % 3)
    done = here(workplace, "audit", *words)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("precision: ") and done.stderr.count("\n") == 1, done.stderr
    assert text in done.stderr, done.stderr
