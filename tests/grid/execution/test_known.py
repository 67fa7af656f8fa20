"""What was built once is not built again, unless what it depends on has changed."""

import pytest

from precision.data import Extent
from precision.grid.execution import known
from precision.trial import Choice, Training, Trial

IMAGES = Extent(100, 20, (28, 28, 1), 10)
SIZE = {"macs": 1, "values": 2, "parameters": 3, "layers": 4}


def trial(policy="fixed(8,6)", network="lenet", **changes):
    resolved = {"weights": policy, "layers": [], "rounding": "nearest"}
    return Trial(Choice("digits"), Choice(network), Choice("ptq"), resolved, Training(), 0, **changes)


@pytest.fixture
def built(monkeypatch, tmp_path):
    """The networks and policies that another process was asked for; those with 4 bits do not fit."""
    monkeypatch.setenv("PRECISION_CACHE", str(tmp_path))
    asked = []

    def elsewhere(function, trials, shape, classes, task, backend):
        asked.extend((one.architecture.name, one.policy["weights"]) for one in trials)
        sizes = {one.architecture.text: SIZE for one in trials}
        return sizes, [(one, "policy", "no") for one in trials if "(4" in one.policy["weights"]]

    monkeypatch.setattr(known, "elsewhere", elsewhere)
    return asked


def test_only_what_is_new_is_built(built):
    sizes, wrong = known.networks([trial(), trial(), trial("fixed(6,4)")], IMAGES)
    assert (sizes, wrong) == ({trial().architecture.text: SIZE}, [])
    assert built == [("lenet", "fixed(8,6)"), ("lenet", "fixed(6,4)")]
    built.clear()
    assert known.networks([trial("fixed(6,4)"), trial()], IMAGES) == (sizes, [])
    assert built == []
    known.networks([trial(), trial("nf4"), trial(network="vgg")], IMAGES)
    assert built == [("lenet", "nf4"), ("vgg", "fixed(8,6)")]


def test_what_does_not_fit_is_told_each_time(built):
    for _ in range(2):
        _, wrong = known.networks([trial(), trial("fixed(4,3)")], IMAGES)
        assert [part for _, part, _ in wrong] == ["policy"]
    assert built == [("lenet", "fixed(8,6)"), ("lenet", "fixed(4,3)"), ("lenet", "fixed(4,3)")]


@pytest.mark.parametrize(
    "other",
    [
        lambda: known.networks([trial()], Extent(100, 20, (32, 32, 3), 10)),
        lambda: known.networks([trial()], Extent(100, 20, (28, 28, 1), 2)),
        lambda: known.networks([trial()], Extent(100, 20, (28, 28, 1), 10, "multi_label")),
        lambda: known.networks([trial(plugins={"architecture lenet": "a file"})], IMAGES),
        lambda: known.networks([trial(plugins={"some format": "a file"})], IMAGES),
    ],
    ids=["images", "classes", "task", "network", "format"],
)
def test_other_images_and_other_plugins_are_other_networks(built, other):
    known.networks([trial()], IMAGES)
    built.clear()
    other()
    assert built == [("lenet", "fixed(8,6)")]


def test_other_code_builds_other_networks_in_the_place_of_the_former(built, monkeypatch, tmp_path):
    known.networks([trial()], IMAGES)
    built.clear()
    monkeypatch.setattr(known, "_code", lambda: "another digest")
    known.networks([trial()], IMAGES)
    assert built == [("lenet", "fixed(8,6)")]
    assert len(list((tmp_path / "machine").iterdir())) == 1
