import pytest

from precision.errors import PrecisionError
from precision.grid import expand, load_grid, select

GRID = """\
name: test
datasets: [digits]
architectures: [lenet, {name: vgg, width: 0.5, label: "vgg, thin"}]
policies: [float32, "fixed(8,6)", "fixed(8,4)", float16]
methods: [ptq, qat]
training: {epochs: [1, 2], learning_rate: [1e-3, null]}
seeds: [0, 1, 10]
report: {baseline: float32}
"""


@pytest.fixture
def cells(tmp_path):
    (tmp_path / "grid.yaml").write_text(GRID)
    return expand(*load_grid(tmp_path / "grid.yaml"))


@pytest.mark.parametrize(
    ("only", "meets"),
    [
        ([], lambda c: True),
        (["policy=fixed*"], lambda c: c.policy.startswith("fixed")),
        (["policy=fixed(8,6)"], lambda c: c.policy == "fixed(8,6)"),
        (["policy=fixed(8,6), float16"], lambda c: c.policy in ("fixed(8,6)", "float16")),
        (["architecture=vgg, thin"], lambda c: c.architecture == "vgg, thin"),
        (["method=ptq", "seed=1,10"], lambda c: c.method == "ptq" and c.seed in (1, 10)),
        (["seed=1*"], lambda c: c.seed in (1, 10)),
        (["training.learning_rate=1e-3"], lambda c: c.trial.training.learning_rate == 0.001),
        (["training.learning_rate=default"], lambda c: c.trial.training.learning_rate is None),
        (["training.epochs=2"], lambda c: c.trial.training.epochs == 2),
        (["dataset=digits", "policy=*6", "policy=float*"], lambda c: c.policy == "float16"),
    ],
)
def test_conditions(cells, only, meets):
    assert select(cells, only) == [cell for cell in cells if meets(cell)]


@pytest.mark.parametrize(
    ("only", "message"),
    [
        (["polcy=fixed*"], r"^--only polcy=fixed\*: unknown axis 'polcy'; did you mean 'policy'"),
        (["training=epochs"], r"unknown axis 'training'; did you mean 'training"),
        (["training.epoch=1"], r"unknown axis 'training.epoch'; did you mean 'training.epochs'"),
        (["policy"], r"^--only policy: is written AXIS=VALUE"),
        (["policy="], r"^--only policy=: is written AXIS=VALUE"),
        (["policy=fixd(8,6)"], r"no cell has the policy 'fixd\(8,6\)'; did you mean 'fixed\(8,6\)'"),
        (["policy=float16,half"], r"no cell has the policy 'half'"),
        (["seed=2"], r"no cell has the seed '2'; known: 0, 1, 10"),
        (["policy=float16", "policy=float32"], r"^--only policy=float16 --only policy=float32: no cell"),
    ],
)
def test_refusals(cells, only, message):
    with pytest.raises(PrecisionError, match=message):
        select(cells, only)


def test_one_text_is_not_a_list_of_letters(cells):
    with pytest.raises(PrecisionError, match="takes a list of texts"):
        select(cells, "policy=float16")
