"""What --set and --seeds mean: the same trials as the file that was edited by hand."""

import pytest

from precision.errors import PrecisionError
from precision.grid import Changes, expand, load_grid

BASE = """\
name: test
datasets: [digits]
architectures: [lenet, {name: vgg, width: 0.5}]
policies:
  float32: float32
  fixed8: {weights: "fixed(8,6)", activations: "fixed(8,4)"}
methods: ptq
training: {epochs: 2}
seeds: [0, 1]
"""


@pytest.fixture
def ids(tmp_path):
    def ids(text=BASE, *given, seeds=None):
        path = tmp_path / "grid.yaml"
        path.write_text(text)
        return [cell.trial.id for cell in expand(*load_grid(path, changes=Changes(given, seeds)))]

    return ids


@pytest.mark.parametrize(
    ("given", "old", "new"),
    [
        (["training.epochs=7"], "epochs: 2", "epochs: 7"),
        (["training.epochs=[7, 8]"], "epochs: 2", "epochs: [7, 8]"),
        (["training.learning_rate = 1e-3"], "epochs: 2", "epochs: 2, learning_rate: 0.001"),
        (["training.epochs=null"], "epochs: 2", ""),
        (["training={optimizer: sgd}"], "epochs: 2", "optimizer: sgd"),  # takes the place of the whole
        (["architectures.1.width=0.25"], "0.5", "0.25"),
        (["architectures.0.width=0.25"], "[lenet", "[{name: lenet, width: 0.25}"),
        (["architectures=mlp"], "[lenet, {name: vgg, width: 0.5}]", "[mlp]"),
        (["policies.fixed8.weights=fixed(8,7)"], "fixed(8,6)", "fixed(8,7)"),
        (["policies.fixed8=null"], '  fixed8: {weights: "fixed(8,6)", activations: "fixed(8,4)"}\n', ""),
        (["policies.half=float16"], "methods:", "  half: float16\nmethods:"),
        (["seeds.1=5"], "[0, 1]", "[0, 5]"),
        (["training.epochs=3", "training.epochs=4"], "epochs: 2", "epochs: 4"),
    ],
)
def test_set_is_as_if_the_file_were_edited(ids, given, old, new):
    assert old in BASE
    assert ids(BASE, *given) == ids(BASE.replace(old, new))


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("3", "[0, 1, 2]"), ("1", "[0]"), ("3,5", "[3, 5]"), ("4,", "[4]"), ("0, 9", "[0, 9]")],
)
def test_seeds_are_counted_or_listed(ids, text, seeds):
    assert ids(BASE, seeds=text) == ids(BASE.replace("[0, 1]", seeds))


@pytest.mark.parametrize(
    ("given", "seeds", "message"),
    [
        (
            ["training.epochs"],
            None,
            r"^--set training.epochs: is written KEY=VALUE, such as training.epochs=3",
        ),
        (["=3"], None, r"^--set =3: is written KEY=VALUE"),
        (["training.=3"], None, r"^--set training.=3: 'training.' must be keys"),
        (["training.epochs=x"], None, r"^--set training.epochs=x: training.epochs: .*but got 'x'"),
        (["x-note=1"], None, r"^--set x-note=1: unknown key 'x-note'"),
        (["methods.0.rounding=1"], None, r"^--set methods.0.rounding=1: .*'ptq' has no option 'rounding'"),
        (["training.epoch=3"], None, r"^--set training.epoch=3: unknown key 'epoch'; did you mean 'epochs'"),
        (
            ["trainig.epochs=3"],
            None,
            r"^--set trainig.epochs=3: unknown key 'trainig'; did you mean 'training'",
        ),
        (
            ["architectures.2.width=1"],
            None,
            r"^--set architectures.2.width=1: architectures is a list, .* 0 to 1",
        ),
        (["architectures.x.width=1"], None, r"numbered 0 to 1, but got 'x'"),
        (["architectures.1.widht=1"], None, r"^--set architectures.1.widht=1: .*did you mean 'width'"),
        (["architectures.1.width=-1"], None, r"^--set architectures.1.width=-1: .*width"),
        (["seeds.0.x=1"], None, r"^--set seeds.0.x=1: seeds.0 is 0, which has no entry 'x'; .*grid.yaml:9"),
        (["training.epochs=[1"], None, r"^--set training.epochs=\[1: this is not YAML"),
        (["training.epochs=!!python/name:os.system x"], None, r"^--set .*tags are not allowed"),
        ([".".join("a" * 60) + "=1"], None, r"^--set .* must be keys with dots"),
        (["extends=base.yaml"], None, r"^--set extends=base.yaml: .*extends.* stands in a file"),
        ([], "0", r"^--seeds 0: counts 1 to 10000 seeds"),
        ([], "-1", r"^--seeds -1: is a count"),
        ([], "three", r"^--seeds three: is a count, such as 5 for the seeds 0 to 4"),
        ([], "1,,2", r"^--seeds 1,,2: is a count"),
        ([], "3,3", r"^--seeds 3,3: seeds: each seed is listed once"),
        ([], "4294967296,", r"^--seeds 4294967296,: seeds"),
    ],
)
def test_an_error_names_the_option(ids, given, seeds, message):
    with pytest.raises(PrecisionError, match=message) as caught:
        ids(BASE, *given, seeds=seeds)
    assert "\n" not in str(caught.value)


def test_one_text_is_not_a_list_of_letters():
    with pytest.raises(PrecisionError, match="takes a list of texts"):
        Changes("training.epochs=3")


def test_the_words_ask_for_the_same():
    assert Changes(("a.b=1", "c=[2]"), "5").words() == ["--set=a.b=1", "--set=c=[2]", "--seeds=5"]
    assert Changes().words() == []
