import re
from dataclasses import replace

import pytest

from precision.report.pages.columns import columns_document
from precision.report.pages.grid import document, names_of
from precision.report.render.markdown import render

SECTIONS = [
    "The answer",
    "Setup",
    "Accuracy",
    "Difference to float32",
    "Published figures",
    "Accuracy against bits",
    "Loss curves",
    "Memory and time",
    "Measured energy",
    "Notes",
    "Every trial",
    "How to reproduce",
]


@pytest.fixture
def report(results):
    return lambda frame, **settings: render(document(results(frame, **settings)))


def section(text, title):
    """Return the text under one heading of the second level."""
    return re.split(r"^## ", text.split(f"## {title}\n", 1)[1], flags=re.MULTILINE)[0]


def tables(text):
    """Return every pipe table as rows of cells; a pipe after a backslash is no border."""
    found, rows = [], []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        elif rows:
            found.append(rows)
            rows = []
    return found


def test_counted_and_modelled_costs_have_sections_of_their_own(grid, report):
    frame = grid()
    assert "Modelled energy" not in report(frame)  # of which nothing is known
    frame["peak_activation_bytes"], frame["energy_modelled_pj"] = 2048, 3.5e6
    text = section(report(frame, energy_table="a chip, 3 nm"), "Memory and time")
    peak = text.split("### Peak activations")[1].split("###")[0]
    energy = text.split("### Modelled energy")[1].split("###")[0]
    assert "2.0 KiB" in peak and "3.5 µJ" in energy
    assert "A model, nothing is measured" in energy and "(a chip, 3 nm)" in energy


def test_the_sections_are_in_order(grid, report, published):
    text = report(grid(), published=published, notes="A note.")
    assert re.findall(r"^## (.*)$", text, flags=re.MULTILINE) == SECTIONS
    assert text.startswith("# mnist-formats\n\nFormats for *small* networks.\n")


def test_sections_without_content_are_left_out(grid, report):
    titles = re.findall(r"^## (.*)$", report(grid()), flags=re.MULTILINE)
    assert titles == [s for s in SECTIONS if s not in ("Published figures", "Notes")]


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_every_table_is_rectangular(grid, report, published, failed, seeds):
    policies = {"float32": 32.0, "fixed8": 8.0}
    frame = grid(("lenet", "vgg"), policies, seeds=seeds, datasets=("mnist", "cifar10"), trainings=("a", "b"))
    frame = failed(frame, "failed", "x | y\nz \\| <b>", policy="fixed8", seed=0)
    found = tables(report(frame, published=published))
    assert len(found) > 20
    for table in found:
        assert len({len(row) for row in table}) == 1
        assert re.fullmatch(r"[:-]+", table[1][0])


def test_the_answer_names_the_smallest_format(grid, report):
    text = section(report(grid(("lenet", "resnet"))), "The answer")
    ptq, qat, covered = tables(text)
    assert covered[2] == ["float16", "2 of 2", "2 of 2", "100"]
    assert [row[:2] for row in ptq[2:]] == [["lenet", "**fixed8**"], ["resnet", "**float16**"]]
    # fixed6 loses 0.9 points by qat, but up to 1.1 within its interval
    assert [row[:2] for row in qat[2:]] == [["lenet", "**fixed8**"], ["resnet", "**fixed8**"]]
    assert (
        "n = 1: differences of one run with their 95 % interval over the test images, which says nothing of "
        "other seeds." in text
    )


def test_one_architecture_is_answered_in_a_sentence_too(grid, report):
    text = section(report(grid(methods=("ptq",))), "The answer")
    assert "lenet: fixed8 is the smallest format shown to stay within 1 percentage point of float32" in text


def test_methods_have_tables_of_their_own_with_the_baseline_in_each(grid, report):
    text = section(report(grid()), "Accuracy")
    titles = re.findall(r"^\*\*(.*)\*\*$", text, flags=re.MULTILINE)
    assert titles == ["mnist, ptq (post-training quantisation)", "mnist, qat (quantisation-aware training)"]
    policies = ["float32", "float16", "bfloat16", "fixed16", "fixed8", "float8", "fixed6", "fixed4"]
    header = ["Architecture", *policies]
    assert [table[0] for table in tables(text)] == [header, header]
    assert tables(text)[0][2][:2] == ["lenet", "99.00"]


def test_several_seeds_show_interval_and_n(grid, report):
    text = report(grid(seeds=(0, 1, 2)))
    assert "n = 3: mean over seeds ± half the 95 % t-interval." in section(text, "Accuracy")
    assert tables(section(text, "Accuracy"))[0][2][1] == "99.03 ± 0.07"
    assert (
        "n = 3: mean of the paired differences ± half their 95 % interval over seeds and test images."
        in section(text, "Difference to float32")
    )


def test_differences_within_the_tolerance_are_bold(grid, report):
    table = tables(section(report(grid(methods=("ptq",))), "Difference to float32"))[0]
    assert table[0] == ["Policy", "lenet"]  # too wide for the page the other way round
    assert dict(table[2:]) == {
        "float16": "**-0.04 (-0.10 to 0.00), equivalent**",
        "bfloat16": "**-0.05 (-0.12 to -0.01), equivalent**",
        "fixed16": "**-0.04 (-0.10 to 0.00), equivalent**",
        "fixed8": "**-0.60 (-0.77 to -0.47), equivalent**",
        "float8": "**-0.60 (-0.77 to -0.47), equivalent**",
        "fixed6": "-3.00 (-3.35 to -2.68), worse",
        "fixed4": "-89.20 (-89.79 to -88.58), worse",
    }


def test_published_figures_stand_beside_ours(grid, report, published):
    text = section(report(grid(methods=("ptq",)), published=published), "Published figures")
    header, _, *rows = tables(text)[0]
    assert header == ["Architecture", "float32 ours", "float32 published", "fixed8 ours", "fixed8 published"]
    assert rows == [["lenet", "99.00", "99.10", "98.40", "98.50"], ["capsnet", "—", "99.50", "—", "—"]]
    assert r"Source: A. Author, \*A Paper\*. Trained for 20 epochs." in text


def test_native_and_emulated_times_share_no_table(grid, report):
    text = section(report(grid()), "Memory and time")
    native, emulated = text.split("### Measured, native")[1].split("### Measured, emulated")
    assert {row[1] for table in tables(native) for row in table[2:]} == {"float32"}
    assert "float32" not in {row[1] for table in tables(emulated) for row in table[2:]}
    assert len(tables(native)) == 1  # the baseline that two methods share is printed once
    assert len(tables(emulated)) == 2
    assert "say nothing about hardware" in emulated


def test_native_formats_stand_beside_the_baseline(grid, report):
    frame = grid(methods=("native",), policies={"float32": 32.0, "float16": 16.0}).assign(timing="native")
    text = section(report(frame), "Memory and time")
    assert [row[1] for row in tables(text)[1][2:]] == ["float32", "float16"]
    assert "No trial ran in an emulated format." in text


def test_machines_share_no_table_of_times(grid, report):
    frame = grid(methods=("ptq",), seeds=(0, 1))
    frame["machine"] = frame["seed"].map({0: "a", 1: "b"})
    text = section(report(frame), "Memory and time")
    assert "2 machines" in text
    assert "**mnist, machine a**" in text
    assert "**mnist, ptq (post-training quantisation), machine b**" in text


def test_a_failed_format_is_listed_with_its_reason(grid, report, failed):
    text = report(failed(grid(), "diverged", "loss | is <NaN>", policy="fixed8", method="qat"))
    assert "15 trials: 14 ok, 1 diverged. The report has 16 rows of results; 1 shows the same" in section(
        text, "Setup"
    )
    assert r"loss \| is &lt;NaN&gt;" in section(text, "Every trial")
    assert "diverged" in tables(section(text, "Accuracy"))[1][2]


def test_a_failed_size_is_known_all_the_same(grid, report, failed):
    text = section(report(failed(grid(), "diverged", "NaN", policy="fixed8")), "Memory and time")
    assert "60.3 KiB (4.00)" in text


@pytest.mark.parametrize("labels", ["| x |", "<img src=x onerror=y>", "a\n\n# b", "`", "**", "]("])
def test_labels_cannot_break_the_report(grid, report, labels):
    frame = grid(("lenet",), {"float32": 32.0, labels: 8.0}).replace({"architecture": {"lenet": labels}})
    text = report(frame.assign(dataset=labels, dataset_title=labels, formats=labels, machine=labels))
    assert all(len({len(row) for row in table}) == 1 for table in tables(text))
    assert "<img" not in text
    assert len(re.findall(r"^# ", text, flags=re.MULTILINE)) == 1


def test_a_missing_baseline_is_said(grid, report, failed):
    frame = grid()
    text = report(frame[frame["policy"] != "float32"])
    assert "The grid has no policy named float32" in section(text, "The answer")
    text = report(failed(frame, "timeout", "slow", policy="float32"))
    assert "No run of the baseline float32 gave a result" in section(text, "The answer")
    assert "No run has a result together with its baseline." in section(text, "Difference to float32")


def test_an_empty_grid_has_a_report(grid, results):
    text = render(document(results(grid().iloc[:0])))
    assert "There is no trial to compare." in text
    assert "No trial of this grid trained." in text


def test_the_command_stays_in_its_block(grid, results):
    from dataclasses import replace

    text = render(document(replace(results(grid()), name="a\n```\n$(rm)")))
    assert "\n```\nprecision run 'a ``` $(rm).yaml'\n```\n" in text


def test_there_is_a_figure_for_each_dataset():
    assert names_of(["a/b", "a b", "c"], "f") == ["f_a_b", "f_a_b_2", "f_c"]


def test_the_columns_are_documented_as_tables():
    results, summary = tables(columns_document())
    assert results[2][0] == "`trial`"
    assert summary[-1][0] == "`machine`"


def test_the_untouched_baseline_stays_beside_the_one_that_went_on(grid, report):
    frame = grid(policies={"float32": 32.0, "fixed8": 8.0})
    on = frame["method"] == "qat"
    frame["control"] = ["float32 start=baseline" if went_on else "" for went_on in on]
    frame.loc[on & (frame["policy"] == "float32"), ["trial", "accuracy"]] = ["longer", 0.994]
    text = report(frame)
    ptq, qat, _ = tables(section(text, "The answer"))
    assert ptq[0][3:5] == ["float32 %", "Difference"]
    assert qat[0][3:6] == ["float32 %", "float32 untouched %", "Difference"]
    assert qat[2][3:6] == ["99.40", "99.00", "-0.58"]
    ptq, qat = tables(section(text, "Accuracy"))
    assert ptq[0] == ["Architecture", "float32", "fixed8"]
    assert qat[0] == ["Architecture", "float32", "float32 untouched", "fixed8"]
    assert qat[2][1:3] == ["99.40", "99.00"]
    assert tables(section(text, "Difference to float32"))[1][2][1].startswith("**-0.58 (")


def test_a_format_that_is_not_shown_to_be_near_is_named_as_that(grid, report):
    frame = grid(policies={"float32": 32.0, "fixed8": 8.0}, methods=("ptq",), seeds=(0, 1, 2))
    frame.loc[frame["policy"] == "fixed8", "accuracy"] += [0.009, 0.0, -0.009]
    text = report(frame)
    row = tables(section(text, "The answer"))[0][2]
    assert row[:2] == ["lenet", "not shown (fixed8)"]
    assert "seeds would show it" in section(text, "The answer")
    assert "**" not in tables(section(text, "Difference to float32"))[0][2][1]


def test_a_baseline_that_only_went_on_is_listed_and_timed_apart(grid, report):
    frame = grid(policies={"float32": 32.0, "fixed8": 8.0}, methods=("qat", "float32"))
    frame = frame[(frame["policy"] == "float32") | (frame["method"] == "qat")]
    frame["control"] = ["float32 start=baseline" if method == "qat" else "" for method in frame["method"]]
    frame.loc[(frame["method"] == "qat") & (frame["policy"] == "float32"), "trial"] = "longer"
    text = report(frame)
    listed = section(text, "Every trial")
    assert re.findall(r"^\*\*(.*)\*\*$", listed, flags=re.MULTILINE) == [
        "mnist, qat (quantisation-aware training)",
        "mnist, float32",
    ]
    assert [[row[2] for row in table[2:]] for table in tables(listed)] == [["float32", "fixed8"], ["float32"]]
    native = section(text, "Memory and time").split("### Measured, native")[1].split("### Measured")[0]
    assert re.findall(r"^\*\*(.*)\*\*$", native, flags=re.MULTILINE) == [
        "mnist, qat (quantisation-aware training)",
        "mnist",
    ]


def test_the_classes_of_a_data_set_and_how_many_images_each_has_are_told(grid, results):
    made = replace(
        results(grid()), targets={"mnist": ("cat 12, dog | 30", "cat 3, dog | 4"), "other": ("", "")}
    )
    text = " ".join(render(document(made)).split())
    assert "**Classes, labels or targets**" in text
    assert "| mnist | cat 12, dog \\| 30 | cat 3, dog \\| 4 |" in text and "| other |" not in text
    assert "Classes, labels or targets" not in render(document(results(grid())))


def test_times_say_how_far_they_can_be_trusted(grid, report):
    frame = grid(methods=("ptq",), policies={"float32": 32.0, "fixed8": 8.0})
    frame["train_disturbance"], frame["train_seconds_spread"] = 1.5, 0.2
    frame["inference_disturbance"] = [1.1, 1.16]
    native, emulated = section(report(frame), "Memory and time").split("### Measured, ")[1:]
    row = dict(zip(tables(native)[0][0], tables(native)[0][2], strict=True))
    assert row["Training s"] == "61.2 ± 10 % †" and row["s per epoch"] == "12.2 †"
    assert row["Images per s"] == "12,346", "the machine was quiet during the evaluation"
    assert "up to 1.50 times as long" in native and "± is half the range over the repeats" in native
    assert tables(emulated)[0][2][-1] == "12,346 †" and "up to 1.16 times" in emulated
    quiet = section(
        report(frame.assign(train_disturbance=1.0, inference_disturbance=1.15)), "Memory and time"
    )
    assert "†" not in quiet and "disturbed" not in quiet


def test_throughput_by_the_size_of_a_batch(grid, report):
    frame = grid(methods=("ptq",), policies={"float32": 32.0, "fixed8": 8.0}, seeds=(0, 1))
    rates = {
        row.trial: [{"batch": size, "images_per_second": 100.0 * size * (row.seed + 1)} for size in (1, 8)]
        for row in frame.itertuples()
    }
    slow = frame.loc[frame["policy"] == "fixed8", "trial"]
    text = section(report(frame, batches=rates | {trial: rates[trial][:1] for trial in slow}), "Throughput")
    native, emulated = map(tables, text.split("### Throughput, ")[1:])
    assert native[0][0][2:] == ["batch 1", "batch 8"] and native[0][2] == ["lenet", "float32", "150", "1,200"]
    assert emulated[0][0][2:] == ["batch 1"] and emulated[0][2] == ["lenet", "fixed8", "150"]
    assert "## Throughput" not in report(frame)


def test_threads_and_devices_have_a_table_and_a_fit(grid, report):
    axes = [("cpu", 1, 20.0), ("cpu", 2, 12.0), ("cpu", 4, 8.0), ("gpu", 1, 2.0)]
    words = {f"device={device} threads={threads}": seconds for device, threads, seconds in axes}
    frame = grid(methods=("ptq", "qat"), policies={"float32": 32.0}, trainings=tuple(words))
    frame["train_seconds"] = frame["training"].map(words)
    frame["device"] = frame["training"].str.extract(r"device=(\w+)")[0]
    frame["threads"] = frame["training"].str.extract(r"threads=(\d)")[0].astype(int)
    text = section(report(frame.assign(cores=2)), "Threads and devices")
    times, serial = tables(text)
    assert [row[2:] for row in times[2:]] == [
        ["cpu", "1", "20.0", "1.00", "100.0 %"],
        ["cpu", "2", "12.0", "1.67", "83.3 %"],
        ["cpu", "4", "8.00", "2.50", "62.5 %"],
        ["gpu", "1", "2.00", "10.00", "—"],
    ]
    assert serial[2:] == [["lenet", "float32", "cpu", "1, 2", "20.0 %", "—", "5.00"]]
    assert "more threads than the 2 cores" in text
    roomy = tables(section(report(frame.assign(cores=8)), "Threads and devices"))[1]
    assert roomy[2][3:6] == ["1, 2, 4", "20.0 %", "0"], "all of them, which leaves a residual"
    assert "## Threads and devices" not in report(grid())
