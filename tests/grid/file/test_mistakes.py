"""All the mistakes of a grid file are told at once, in the order of the file, each with its line."""

import pytest

from precision.errors import PrecisionError, each
from precision.grid import Changes, expand, load_grid


def mistakes(folder, text, **options):
    path = folder / "grid.yaml"
    path.write_text(text)
    with pytest.raises(PrecisionError) as caught:
        expand(*load_grid(path, **options))
    return caught.value, [str(error).removeprefix(f"{folder}/") for error in each(caught.value)]


def test_of_the_whole_file(tmp_path):
    error, told = mistakes(
        tmp_path,
        """\
name: a
datasets: [digitz]
architectures: [lennet, {name: mlp, widht: 2}]
polices: {}
policies:
  fp16: float17
  x: {weights: "fixd(8,4)", activations: "int8"}
  y: {weight: float16}
  float32: float32
training: {epochs: 0, batch_size: x}
report: {tolerance: -1}
""",
    )
    assert told == [
        "grid.yaml:2: datasets: unknown dataset 'digitz'; did you mean 'digits'?",
        "grid.yaml:3: architectures: unknown architecture 'lennet'; did you mean 'lenet'?",
        "grid.yaml:3: architectures.widht: architecture 'mlp' has no option 'widht'; did you mean 'width'?",
        "grid.yaml:4: unknown key 'polices'; did you mean 'policies'?",
        "grid.yaml:6: policies.fp16: unknown format 'float17'; did you mean 'float16'?",
        "grid.yaml:7: policies.x.weights: unknown format 'fixd(8,4)'; did you mean 'fixed'?",
        "grid.yaml:8: policies.y.weight: unknown slot 'weight'; did you mean 'weights'?",
        "grid.yaml:10: training.epochs: input should be greater than or equal to 1, but got 0",
        "grid.yaml:10: training.batch_size: input should be a valid integer, but got 'x'",
        "grid.yaml:11: report.tolerance: input should be greater than or equal to 0, but got -1",
    ]
    assert str(error).endswith("did you mean 'digits'? (and 9 more mistakes)")


GOOD = """\
name: a
datasets: [digits]
architectures: [lenet]
policies: {float32: float32, half: float16}
methods: [ptq, native]
"""


def test_of_what_the_parts_say_of_each_other(tmp_path):
    _, told = mistakes(
        tmp_path,
        GOOD
        + "exclude: [{policy: haf}, {architecture: vgg}]\nzip: [[seeds, polices]]\nreport: {baseline: f32}\n",
    )
    assert [sentence.partition(": ")[0] for sentence in told] == [
        *("grid.yaml:7", "grid.yaml:6", "grid.yaml:6", "grid.yaml:8"),
    ]
    _, told = mistakes(
        tmp_path, GOOD.replace("float16", "'fixed(8,4)'").replace("half", "eight: 'fixed(8,3)', half")
    )
    assert len(told) == 2 and all("cannot run under method 'native'" in sentence for sentence in told)


def test_a_missing_float32_policy_in_its_words(tmp_path):
    _, told = mistakes(tmp_path, GOOD.replace("float32: float32, ", ""))
    assert told == [
        "grid.yaml:4: policies: there is no policy 'float32', with which the others are compared; add "
        "'float32: float32', or name one of these as report.baseline"
    ]


@pytest.mark.parametrize(
    ("published", "sentence"),
    [
        (
            "figures: [{policy: half, accuracy: 99}]",
            "published.figures: a published figure has a margin; say how many percentage points ours may be "
            "away, as in margin: 1.0, here or for all figures",
        ),
        (
            "margin: 1, figures: [{policy: half}]",
            "published.figures: a published figure has either an accuracy or a difference",
        ),
        ("margin: 1", "published: published figures stand under accuracy, figures or both"),
        (
            "margin: 1, figures: [{policy: haf, accuracy: 99}]",
            "policy 'haf' is not in the grid; did you mean 'half'?",
        ),
        (
            "margin: 1, figures: [{polcy: half, accuracy: 99}]",
            "unknown key 'polcy'; did you mean 'policy'?",
        ),
    ],
)
def test_of_published_figures(tmp_path, published, sentence):
    _, [told] = mistakes(tmp_path, GOOD + "report:\n  published: {source: a paper, " + published + "}\n")
    assert told.startswith("grid.yaml:7: ") and told.endswith(sentence)


TORN = "inside { } and [ ] write a format in quotes, here as "


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        ("{weights: fixed(8,4), activations: fixed(8,4)}", ["fixed(8,4)", "fixed(8,4)"]),
        ("{weights: fixed(8, 4), biases: float32}", ["fixed(8,4)"]),
        ("{weights: float(4,3,overflow=saturate)}", ["float(4,3,overflow=saturate)"]),
        ("{weights: block(fixed(4,2),32)}", ["block(fixed(4,2),32)"]),
        ("{weights: {each: [int(4), fixed(8,4), posit(8,1)]}}", ["fixed(8,4)", "posit(8,1)"]),
        ("{layers: {conv: posit(8,1), '*': float(4,3)}}", ["posit(8,1)", "float(4,3)"]),
    ],
)
def test_formats_that_yaml_tears_apart(tmp_path, written, parts):
    _, told = mistakes(
        tmp_path, GOOD.replace("policies: {float32: float32, half: float16}", f"policies:\n  x: {written}")
    )
    assert told == [f'grid.yaml:5: {TORN}"{part}"' for part in parts]
    _, told = mistakes(tmp_path, GOOD, changes=Changes(entries=[f"policies.x={written}"]))
    assert all(TORN in sentence and "--set" in sentence for sentence in told) and len(told) == len(parts)


def test_brackets_in_words_are_left_alone(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text(
        GOOD.replace("[lenet]", "[{name: lenet, label: small (thin), width: 0.5}, {name: mlp, label: a) b}]")
    )
    assert expand(*load_grid(path))
