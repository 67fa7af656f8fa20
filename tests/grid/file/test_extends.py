"""Files that extend files, dotted keys, keys of one's own; compared with the grid written out."""

import numpy as np
import pytest

from precision.errors import PrecisionError
from precision.grid import expand, load_grid
from precision.grid.file.source import read

BASE = """\
name: base
datasets: [digits]
architectures: [lenet, {name: vgg, width: 0.5}]
policies:
  float32: float32
  fixed8: {weights: "fixed(8,6)", activations: "fixed(8,4)"}
  half: float16
methods: [ptq]
training: {epochs: 2, learning_rate: 1e-3}
seeds: [0, 1]
exclude: [{policy: half, seed: 1}]
"""


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    write("base.yaml", BASE)
    return write


def data(write, text):
    return read(write("grid.yaml", text)).data


def test_a_child_wins_entry_by_entry(write):
    got = data(
        write,
        """\
extends: base.yaml
name: child
training: {epochs: 9, momentum: 0.9, optimizer: sgd}
policies:
  fixed8: {activations: "fixed(8,3)"}
  half: null
  new: bfloat16
architectures: [mlp]
exclude: null
""",
    )
    assert got == {
        "name": "child",
        "datasets": ["digits"],
        "architectures": ["mlp"],
        "policies": {
            "float32": "float32",
            "fixed8": {"weights": "fixed(8,6)", "activations": "fixed(8,3)"},
            "new": "bfloat16",
        },
        "methods": ["ptq"],
        "training": {"epochs": 9, "learning_rate": 0.001, "momentum": 0.9, "optimizer": "sgd"},
        "seeds": [0, 1],
    }


def test_the_trials_are_those_of_the_grid_written_out(write):
    child = write("child.yaml", "extends: base.yaml\nname: child\ntraining: {epochs: 7}\nexclude: null\n")
    whole = write("whole.yaml", BASE.replace("epochs: 2", "epochs: 7").split("exclude")[0])
    assert [c.trial.id for c in expand(*load_grid(child))] == [c.trial.id for c in expand(*load_grid(whole))]


def test_later_parents_win_and_parents_may_have_parents(write):
    write("a.yaml", "extends: base.yaml\nseeds: [5]\ntraining: {epochs: 3}\n")
    write("b.yaml", "training: {epochs: 4}\nname: b\n")
    got = data(write, "extends: [a.yaml, b.yaml]\n")
    assert (got["name"], got["seeds"], got["training"]) == (
        "b",
        [5],
        {"epochs": 4, "learning_rate": 0.001},
    )
    got = data(write, "extends: [b.yaml, a.yaml]\n")  # a, the later one, brings what it inherits
    assert (got["name"], got["training"]["epochs"]) == ("base", 3)


def test_a_file_may_be_reached_twice(write):
    write("left.yaml", "extends: base.yaml\nseeds: [7]\n")
    write("right.yaml", "extends: base.yaml\ntraining: {epochs: 8}\n")
    got = data(write, "extends: [left.yaml, right.yaml]\n")
    assert (got["seeds"], got["training"]["epochs"]) == ([0, 1], 8)


def test_options_belong_to_the_name_that_they_are_given_to(write):
    write("one.yaml", "datasets: {name: mnist, train_size: 100}\n")
    assert data(write, "extends: one.yaml\ndatasets: {name: digits}\n")["datasets"] == {"name": "digits"}
    assert data(write, "extends: one.yaml\ndatasets: {name: mnist, test_size: 9}\n")["datasets"] == {
        "name": "mnist",
        "train_size": 100,
        "test_size": 9,
    }


def test_an_error_names_the_file_in_which_it_stands(write):
    write("wrong.yaml", BASE.replace("epochs: 2", "epochs: two"))
    path = write("sub/grid.yaml", "# a comment\nextends: ../wrong.yaml\nseeds: [3]\n")
    with pytest.raises(PrecisionError, match=r"sub/\.\./wrong\.yaml:9: training\.epochs: .*but got 'two'"):
        load_grid(path)
    write("wrong.yaml", BASE)
    path = write("sub/grid.yaml", "extends: ../wrong.yaml\nseeds: [3]\ntraining:\n  epochs: x\n")
    with pytest.raises(PrecisionError, match=r"sub/grid\.yaml:4: training\.epochs: .*but got 'x'"):
        load_grid(path)
    path = write("sub/grid.yaml", "extends: ../wrong.yaml\nseeds: [3]\n")
    write("wrong.yaml", BASE.replace("vgg, width", "vgg,\n  widht"))
    with pytest.raises(PrecisionError, match=r"wrong\.yaml:4: architectures\.widht: .*did you mean 'width'"):
        load_grid(path)
    write("wrong.yaml", BASE.replace("{policy: half, seed: 1}", "{policy: [float32, fixed8]}"))
    path = write("sub/grid.yaml", "extends: ../wrong.yaml\npolicies.half: null\n")
    with pytest.raises(PrecisionError, match=r"wrong\.yaml:11: the grid is empty: exclude leaves no trial"):
        expand(*load_grid(path))


def test_paths_count_from_the_file_in_which_they_stand(write, tmp_path):
    arrays = {"x": np.zeros((20, 28, 28), np.uint8), "y": np.arange(20) % 2}
    (tmp_path / "parts" / "data").mkdir(parents=True)
    np.savez(tmp_path / "parts" / "data" / "own.npz", **arrays)
    write("parts/p.py", "x = 1\n")
    path = write("parts/own.yaml", "datasets: [{name: npz, path: data/own.npz}]\nplugins: [p.py]\n")
    with pytest.raises(PrecisionError, match=r"parts/p\.py: a plugin must register something"):
        load_grid(write("grid.yaml", "extends: [base.yaml, parts/own.yaml]\n"))
    path.write_text("datasets: [{name: npz, path: data/own.npz}]\n")
    grid, _ = load_grid(write("grid.yaml", "extends: [base.yaml, parts/own.yaml]\n"))
    assert grid.datasets[0].choice.options["path"] == str(tmp_path / "parts" / "data" / "own.npz")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a: 1\nextends: bas.yaml\n",
            r"grid.yaml:2: extends: .*bas.yaml: there is no such file; .*base.yaml",
        ),
        ("extends: 3\n", r"grid.yaml:1: extends: names a grid file such as common.yaml.* but got 3"),
        ("extends: [base.yaml, '']\n", r"grid.yaml:1: extends: names a grid file"),
        ('extends: "a\\0b"\n', r"grid.yaml:1: extends: names a grid file .* but got 'a.x00b'"),
        ("extends: [{a: b}]\n", r"grid.yaml:1: .*but got \{'a': 'b'\}"),
        ("extends: grid.yaml\n", r"grid.yaml:1: extends: grid.yaml extends this file again"),
        (
            "extends: loop.yaml\n",
            r"loop.yaml:2: extends: grid.yaml extends this file again; break the circle",
        ),
        ("extends: list.yaml\n", r"list.yaml:1: a grid is a mapping"),
        ("extends: empty.yaml\n", r"empty.yaml: the file is empty"),
        ("extends: deep0.yaml\n", r"deep8.yaml:1: extends: more than 10 files extend one another"),
        ("training.epochs: 3\ntraining: {epochs: 4}\n", r"grid.yaml:1: 'training.epochs' stands twice"),
        ("name: x\ntraining..epochs: 3\n", r"grid.yaml:2: 'training..epochs' must be keys with dots between"),
        (
            "name: x\nname.first: 3\n",
            r"grid.yaml:2: name is 'x', which has no entry 'first'; it stands at .*:1",
        ),
        (
            "seeds: [1]\nseeds.4: 3\n",
            r"grid.yaml:2: seeds is a list, whose entries are numbered 0 to 0, but got",
        ),
    ],
)
def test_one_sentence_with_file_and_line(write, text, message):
    write("loop.yaml", "name: x\nextends: grid.yaml\n")
    write("list.yaml", "- 1\n")
    write("empty.yaml", "")
    for i in range(12):
        write(f"deep{i}.yaml", f"extends: deep{i + 1}.yaml\n")
    with pytest.raises(PrecisionError, match=message) as caught:
        data(write, text)
    assert "\n" not in str(caught.value)


@pytest.mark.faults("a folder, FIFO, device or loop where a file is needed")
def test_a_link_to_itself_is_no_file(write, tmp_path):
    (tmp_path / "self.yaml").symlink_to("self.yaml")
    with pytest.raises(PrecisionError, match=r"grid.yaml:1: extends: .*self.yaml: cannot be read \(Too many"):
        data(write, "extends: self.yaml\n")
    with pytest.raises(PrecisionError, match=r"self.yaml: cannot be read"):
        read(tmp_path / "self.yaml")


def test_dotted_keys_mean_the_nested_entry(write):
    got = data(
        write,
        """\
extends: base.yaml
training.learning_rate: [1e-2, 1e-3]
training.epochs: null
architectures.1.width: 0.25
architectures.0.width: 2
policies.fixed8.weights: fixed(8,7)
policies.half: null
policies."of 1.5 bits": ternary
report.tolerance: 2
""",
    )
    assert got["training"] == {"learning_rate": [0.01, 0.001]}
    assert got["architectures"] == [{"name": "lenet", "width": 2}, {"name": "vgg", "width": 0.25}]
    assert got["policies"] == {
        "float32": "float32",
        "fixed8": {"weights": "fixed(8,7)", "activations": "fixed(8,4)"},
        "of 1.5 bits": "ternary",
    }
    assert got["report"] == {"tolerance": 2}


def test_a_dotted_key_beside_its_section(write):
    assert data(write, "training: {epochs: 3}\ntraining.momentum: 0.5\n")["training"] == {
        "epochs": 3,
        "momentum": 0.5,
    }
    assert data(write, "training:\ntraining.momentum: 0.5\n")["training"] == {"momentum": 0.5}


def test_keys_that_begin_with_x_are_for_anchors(write):
    text = BASE + "x-int8: &int8 {format: int(8), scaling: real}\nx-note: [what, ever]\nx-a.b: 1\n"
    text = text.replace("  half: float16\n", "  half: {weights: *int8, activations: *int8}\n")
    text = "x-int8: &int8 {format: int(8), scaling: real}\n" + text.replace("x-int8: &int8", "x-other:")
    grid, _ = load_grid(write("grid.yaml", text))
    assert str(grid.policies["half"]).startswith("weights int(8)")
    with pytest.raises(PrecisionError, match=r"grid.yaml:1: unknown key 'y-int8'"):
        load_grid(write("grid.yaml", text.replace("x-int8", "y-int8")))
