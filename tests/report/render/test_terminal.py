from precision.report import answer_text, pivot_text


def test_one_aligned_block_per_method(grid, results):
    text = pivot_text(results(grid(("lenet", "vgg"), {"float32": 32.0, "fixed8": 8.0})))
    assert text == (
        "mnist, ptq: test accuracy in percent\n\n"
        "architecture  float32  fixed8\n"
        "lenet           99.00   98.40\n"
        "vgg             98.60   97.60\n\n"
        "mnist, qat: test accuracy in percent\n\n"
        "architecture  float32  fixed8\n"
        "lenet           99.00   98.82\n"
        "vgg             98.60   98.30\n"
    )


def test_a_failed_cell_shows_its_status_and_an_absent_one_a_dash(grid, results, failed):
    frame = failed(grid(("lenet", "vgg"), methods=("ptq",)), "out_of_memory", "too big", policy="fixed8")
    frame = frame[~((frame["policy"] == "fixed4") & (frame["architecture"] == "vgg"))]
    lines = pivot_text(results(frame)).splitlines()
    assert "out_of_memory" in lines[3]
    assert lines[4].endswith("—")
    assert len({len(line) for line in lines[2:]}) == 1


def test_several_seeds_have_an_interval_and_exceptions_say_so(grid, results, failed):
    frame = grid(seeds=(0, 1, 2), methods=("ptq",), policies={"float32": 32.0, "fixed8": 8.0})
    text = pivot_text(results(failed(frame, "diverged", "NaN", policy="fixed8", seed=2)))
    assert "mean of 3 seeds ± half the 95 % interval" in text
    assert "99.03 ± 0.07" in text  # 0.9900, 0.9903, 0.9906: 4.3027 * 0.0003 / sqrt(3)
    assert "(n = 2, 1 failed)" in text


def test_formats_that_do_not_fit_are_rows(grid, results):
    text = pivot_text(results(grid(("lenet", "vgg"), methods=("ptq",))), width=40)
    lines = text.splitlines()[2:]
    assert lines[0].split() == ["policy", "lenet", "vgg"]
    assert [line.split()[0] for line in lines[1:]] == [
        *("float32", "float16", "bfloat16", "fixed16", "fixed8", "float8", "fixed6", "fixed4")
    ]
    assert lines[1].split()[1:] == ["99.00", "98.60"]  # as in the table that fits


def test_columns_that_do_not_fit_either_way_continue_below(grid, results):
    networks = tuple(f"network{i}" for i in range(9))
    text = pivot_text(results(grid(networks, methods=("ptq",))), width=40)
    assert text.count("architecture") == 3
    assert max(map(len, text.splitlines())) <= 40


def test_a_label_cannot_steer_the_terminal(grid, results):
    assert "\x1b" not in pivot_text(results(grid(("le\x1b[2Jnet",))))


def test_nothing_to_show_is_said(grid, results):
    assert pivot_text(results(grid().iloc[:0])) == "mnist-formats: no trial\n"
    assert answer_text(results(grid().iloc[:0])) == "mnist-formats: no trial\n"


def test_the_answer_is_one_sentence_each(grid, results):
    lines = answer_text(results(grid(("lenet", "vgg")))).splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("mnist, ptq: lenet: fixed8 is the smallest format shown to stay within 1 ")
