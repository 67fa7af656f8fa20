"""Runtime, repeats, zip, sweeps and selections by options: compared with grids written out by hand."""

import itertools

import pytest

from precision.errors import PrecisionError
from precision.grid import expand, load_grid, schedule

BASE = """\
name: test
datasets: [digits]
architectures: [lenet, vgg]
policies: [float32, float16]
methods: [ptq]
training: {epochs: 2}
seeds: [0]
"""


@pytest.fixture
def cells(tmp_path):
    def cells(text):
        path = tmp_path / "grid.yaml"
        path.write_text(text)
        return expand(*load_grid(path))

    return cells


def test_runtime_is_an_axis_and_part_of_the_identity(cells):
    found = cells(BASE + "runtime: {device: cpu, threads: [1, 2, null]}\n")
    assert len(found) == 4 * 3
    assert {c.training for c in found} == {"threads=1", "threads=2", "threads=default"}
    assert {c.trial.runtime.device for c in found} == {"cpu"}
    assert len({c.trial.id for c in found}) == 12
    assert {c.trial.baseline.runtime.threads for c in found} == {1, 2, None}
    plain = {c.trial.id for c in cells(BASE)}
    assert {c.trial.id for c in cells(BASE + "runtime: {device: [null]}\n")} == plain
    both = cells(BASE.replace("epochs: 2", "epochs: [1, 2]") + "runtime: {threads: [1, 2]}\n")
    assert {c.training for c in both} == {f"epochs={e} threads={t}" for e in (1, 2) for t in (1, 2)}


def test_repeats_are_the_same_experiment_again(cells):
    found = cells(BASE + "repeats: 3\n")
    assert [c.trial.id for c in found] == [c.trial.id for c in cells(BASE)]
    for cell in found:
        assert [t.repeat for t in cell.trials()] == [0, 1, 2]
        assert len({t.id for t in cell.trials()}) == 3
        assert {t.baseline.id for t in cell.trials()} == {cell.trial.baseline.id}
    trials = schedule(found)
    assert len(trials) == 12
    seen = set()
    for trial in trials:
        if trial.method.name != "float32":
            assert trial.baseline.id in seen
        seen.add(trial.id)


def test_zip_walks_axes_together(cells):
    found = cells(BASE.replace("epochs: 2", "epochs: [3, 9]") + "zip: [[architectures, training.epochs]]\n")
    assert {(c.architecture, c.trial.training.epochs) for c in found} == {("lenet", 3), ("vgg", 9)}
    assert {c.training for c in found} == {"epochs=3", "epochs=9"}
    product = cells(BASE.replace("epochs: 2", "epochs: [3, 9]"))
    wanted = {("lenet", 3), ("vgg", 9)}
    assert {c.trial.id for c in found} == {
        c.trial.id for c in product if (c.architecture, c.trial.training.epochs) in wanted
    }


def test_several_groups_and_one_without_a_list_of_its_own(cells):
    text = BASE.replace("[0]", "[4, 5]").replace("epochs: 2", "epochs: [3, 9], batch_size: [32, 64]")
    found = cells(text + "runtime: {threads: [1, 2]}\nzip: [training.epochs, training.batch_size]\n")
    assert len(found) == 2 * 2 * 2 * 2 * 2
    pairs = {(c.trial.training.epochs, c.trial.training.batch_size) for c in found}
    assert pairs == {(3, 32), (9, 64)}
    found = cells(text + "zip: [[training.epochs, training.batch_size, seeds], [policies, architectures]]\n")
    assert [(c.seed, c.trial.training.epochs, c.architecture, c.policy) for c in found] == [
        (4, 3, "lenet", "float32"),
        (4, 3, "vgg", "float16"),
        (5, 9, "lenet", "float32"),
        (5, 9, "vgg", "float16"),
    ]


def test_a_value_may_stand_twice_where_axes_are_walked_together(cells):
    text = BASE.replace("[lenet, vgg]", "[lenet, vgg, mlp]").replace("epochs: 2", "epochs: [3, 3, 9]")
    found = cells(text + "zip: [architectures, training.epochs]\n")
    assert {(c.architecture, c.trial.training.epochs) for c in found} == {
        ("lenet", 3),
        ("vgg", 3),
        ("mlp", 9),
    }


def test_momentum_is_checked_for_the_combinations_that_there_are(cells):
    text = BASE.replace("epochs: 2", "optimizer: [sgd, adam], momentum: [0.9, 0]")
    assert len(cells(text + "zip: [training.optimizer, training.momentum]\n")) == 8
    with pytest.raises(PrecisionError, match=r"grid.yaml:6: training: momentum is an option of sgd"):
        cells(text)


def test_an_inclusion_leaves_the_groups_whose_axes_it_gives(cells):
    text = BASE.replace("epochs: 2", "epochs: [3, 9]") + "zip: [architectures, training.epochs]\n"
    found = cells(text + "include: [{policy: float16, training: {epochs: 20}, runtime: {threads: 1}}]\n")
    added = [c for c in found if c.trial.runtime.threads == 1]
    assert [(c.architecture, c.training) for c in added] == [
        ("lenet", "epochs=20 threads=1"),
        ("vgg", "epochs=20 threads=1"),
    ]
    found = cells(text + "include: [{architecture: vgg, seed: 7}]\n")
    assert {(c.architecture, c.training) for c in found if c.seed == 7} == {("vgg", "epochs=9")}


def test_exclusions_by_options(cells):
    text = BASE.replace("epochs: 2", "epochs: [1, 2], learning_rate: [1e-3, null]")
    text += "runtime: {threads: [1, 2]}\n"
    every = cells(text)
    found = cells(
        text + "exclude: [{policy: float16, training: {learning_rate: 1e-3, epochs: [1]}},"
        " {training: {learning_rate: null}, runtime: {threads: 2}}]\n"
    )

    def left_out(cell):
        training = cell.trial.training
        return (cell.policy == "float16" and training.learning_rate == 0.001 and training.epochs == 1) or (
            training.learning_rate is None and cell.trial.runtime.threads == 2
        )

    assert [c.labels for c in found] == [c.labels for c in every if not left_out(c)]
    assert 0 < len(found) < len(every)


SWEEPS = [
    (
        "architectures: [lenet, {name: vgg, width: {each: [0.25, 0.5]}}]",
        "architectures: [lenet, {name: vgg, width: 0.25, label: vgg width=0.25},"
        " {name: vgg, width: 0.5, label: vgg width=0.5}]",
    ),
    (
        "architectures: {name: resnet, label: r, depth: {each: [8, 14]}, width: {each: [1, 2]}}",
        "architectures: ["
        + ", ".join(
            f"{{name: resnet, depth: {d}, width: {w}, label: r depth={d} width={w}}}"
            for d, w in itertools.product((8, 14), (1, 2))
        )
        + "]",
    ),
    (
        "architectures: [{name: {each: [lenet, vgg]}, width: {each: {thin: 0.5, wide: 2}}}]",
        "architectures: ["
        + ", ".join(
            f"{{name: {n}, width: {w}, label: {n} width={text}}}"
            for n, (text, w) in itertools.product(("lenet", "vgg"), (("thin", 0.5), ("wide", 2)))
        )
        + "]",
    ),
    (
        "architectures: [{each: [lenet, {name: vgg, width: 0.5}]}]",
        "architectures: [lenet, {name: vgg, width: 0.5}]",
    ),
    (
        "datasets: {name: digits, augment: {rotation: {each: [0, 10]}}, classes: {each: [[1, 2], [3, 4]]}}",
        "datasets: ["
        + ", ".join(
            f"{{name: digits, augment: {{rotation: {r}}}, classes: {c},"
            f" label: 'digits rotation={r} classes={t}'}}"
            for r, (c, t) in itertools.product((0, 10), (("[1, 2]", "1,2"), ("[3, 4]", "3,4")))
        )
        + "]",
    ),
    (
        "methods: [ptq, {name: qat, epochs: {each: [1, null]}, freeze_batch_norm: {each: [true, false]}}]",
        "methods: [ptq, "
        + ", ".join(
            f"{{name: qat, {given}freeze_batch_norm: {f}, label: qat epochs={e} freeze_batch_norm={f}}}"
            for (e, given), f in itertools.product((("1", "epochs: 1, "), ("default", "")), ("true", "false"))
        )
        + "]",
    ),
    (
        "policies: {float32: float32, fixed: {weights: {each: ['fixed(8,6)', 'fixed(6,4)']}}}",
        "policies: {float32: float32, 'fixed weights=fixed(8,6)': {weights: 'fixed(8,6)'},"
        " 'fixed weights=fixed(6,4)': {weights: 'fixed(6,4)'}}",
    ),
    (
        "policies: {float32: float32, i: {weights: {format: {each: [int(8), int(4)]}, scaling: real},"
        " calibration: {images: {each: [16, 32]}}, activations: {format: int(8), scaling: real}}}",
        "policies: {float32: float32, "
        + ", ".join(
            f"'i weights=int({b}) images={n}': {{weights: {{format: int({b}), scaling: real}},"
            f" calibration: {{images: {n}}}, activations: {{format: int(8), scaling: real}}}}"
            for b, n in itertools.product((8, 4), (16, 32))
        )
        + "}",
    ),
    (
        "policies: {float32: float32, p: {weights: float16, layers: {'conv*': {weights: {each: [bfloat16]}},"
        " 'dense*': {weights: {each: [{format: int(8), scaling: real}]}}}}}",
        "policies: {float32: float32, 'p conv*.weights=bfloat16 dense*.weights=int(8) scaling=real':"
        " {weights: float16, layers: {'conv*': {weights: bfloat16},"
        " 'dense*': {weights: {format: int(8), scaling: real}}}}}",
    ),
    (
        "policies: {float32: float32, two: {each: [float16, bfloat16]}}",
        "policies: {float32: float32, two float16: float16, two bfloat16: bfloat16}",
    ),
    (
        "policies: {float32: float32, s: {weights: {format: int(8), scaling: {each: [real]}},"
        " activations: {format: int(8), scaling: {each: [pow2]}}}}",
        "policies: {float32: float32, 's weights.scaling=real activations.scaling=pow2':"
        " {weights: {format: int(8), scaling: real}, activations: {format: int(8), scaling: pow2}}}",
    ),
    ("training: {epochs: {each: [1, 2]}, batch_size: 32}", "training: {epochs: [1, 2], batch_size: 32}"),
    (
        "include: [{policy: float16, method: {name: qat, epochs: {each: [1, 2]}}}]",
        "include: [{policy: float16, method: {name: qat, epochs: 1, label: qat epochs=1}},"
        " {policy: float16, method: {name: qat, epochs: 2, label: qat epochs=2}}]",
    ),
]


def replaced(line):
    key = line.split(":")[0]
    kept = [old for old in BASE.splitlines() if not old.startswith(f"{key}:")]
    return "\n".join([*kept, line, ""])


@pytest.mark.parametrize(("short", "long"), SWEEPS, ids=[short[:40] for short, _ in SWEEPS])
def test_a_sweep_is_as_if_it_were_written_out(cells, short, long):
    found, wanted = cells(replaced(short)), cells(replaced(long))
    assert [(c.labels, c.trial.id) for c in found] == [(c.labels, c.trial.id) for c in wanted]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("zip: [[architectures, training.epochs]]", r":8: zip: .*architectures has 2, training.epochs has 1"),
        (
            "zip: [[architecture, policies]]",
            r":8: zip: unknown axis 'architecture'; did you mean 'architectures'",
        ),
        ("zip: [[architectures, epochs]]", r":8: zip: unknown axis 'epochs'; known: "),
        ("zip: [[architectures]]", r":8: zip: a group has at least two axes, but got \['architectures'\]"),
        ("zip: [[architectures, policies], [policies, seeds]]", r":8: zip: 'policies' stands twice"),
        ("zip: [architectures, [policies]]", r":8: zip.*list"),
        ("zip: 3", r":8: zip: .*list, but got 3"),
        ("repeats: 0", r":8: repeats: .*greater than or equal to 1, but got 0"),
        ("repeats: 2.5", r":8: repeats: .*integer.*got 2.5"),
        ("runtime: {threads: 0}", r":8: runtime.threads: .*greater than or equal to 1, but got 0"),
        ("runtime: {threads: [2, 2]}", r":8: runtime.threads: each value is listed once, but got \[2, 2\]"),
        ("runtime: {thread: 2}", r":8: unknown key 'thread'; did you mean 'threads'"),
        ("runtime: {device: gpuu}", r":8: runtime.device: .*did you mean 'gpu'"),
        ("exclude: [{training: {epochs: 3}}]", r":8: training.epochs 3 is not in the grid; known: 2"),
        ("exclude: [{runtime: {threads: 3}}]", r":8: runtime.threads 3 is not in the grid; known: default"),
        ("exclude: [{training: {epoch: 3}}]", r":8: unknown key 'epoch'; did you mean 'epochs'"),
        ("include: [{training: {epochs: [3, 3]}}]", r":8: training.epochs: each value is listed once"),
        (
            "architectures: [{name: vgg, width: {each: 3}}]",
            r":8: 'each' lists the values of an option.* got 3",
        ),
        ("architectures: [{name: vgg, width: {each: []}}]", r":8: 'each' lists the values .* got \[\]"),
        (
            "architectures: [{name: vgg, width: {each: [1], x: 2}}]",
            r":8: 'each' stands alone.* got 'x' beside it",
        ),
        (
            "architectures: [{name: vgg, widht: {each: [1]}}]",
            r":8: architectures.*'widht'; did you mean 'width'",
        ),
        ("architectures: [{name: vgg, width: {each: [1, 1]}}]", r":8: .*'vgg width=1' stands twice"),
        (
            "architectures:\n  - name: vgg\n    width:\n      each:\n        - 1\n        - -1",
            r":13: .*width",
        ),
        (
            "policies: {float32: float32, p: {weights: {each: [float16, float16]}}}",
            r":8: policies: 'p weights=float16' stands twice",
        ),
        (
            "policies: {float32: float32, p: {weights: {each: [flaot16]}}}",
            r":8: policies.p weights=flaot16.weights: unknown format 'flaot16'; did you mean 'float16'",
        ),
        (
            f"policies: {{float32: float32, {'p' * 60}: {{weights: {{each: [float16]}}}}}}",
            r":8: a label has at most 64 characters, .*name the values",
        ),
        (
            "architectures: [{name: vgg, "
            + ", ".join(f"o{i}: {{each: [{', '.join(map(str, range(10)))}]}}" for i in range(5))
            + "}]",
            r":8: the values under 'each' make more than 10000 entries",
        ),
        (
            "architectures: [{name: vgg, label: {each: [a, b]}, width: 2}]",
            r":8: a label is one text; the values of a sweep are added to it",
        ),
        (
            'policies: {float32: float32, p: {weights: {each: ["\\n"]}}}',
            r":8: policies.'p weights=.n'(.weights)?: ",
        ),
        (
            f"training: {{epochs: {list(range(1, 1001))}, batch_size: {list(range(1, 502))}}}",
            r":1: the axes make 2004000 cells, more than 1000000; split the grid",
        ),
        ("seeds: {each: [1, 2]}", r":8: seeds: .*but got \{'each': \[1, 2\]\}"),
    ],
)
def test_one_sentence_with_the_line(cells, line, message):
    text = replaced(line)
    number = len(text.splitlines()) - line.count("\n")
    message = message.replace(":8:", f":{number}:").replace(":13:", f":{number + 5}:")
    with pytest.raises(PrecisionError, match=f"grid.yaml{message}") as caught:
        cells(text)
    assert "\n" not in str(caught.value)
