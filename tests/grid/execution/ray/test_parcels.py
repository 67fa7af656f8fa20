"""What comes home from a node is stored as it was there."""

import numpy as np
import pytest
from stored import make_result, make_samples, make_trial

from precision.grid import Store
from precision.grid.execution.ray.parcels import Parcels
from precision.grid.execution.ray.remote import packed
from precision.grid.execution.worker import Setup
from precision.grid.store import sums


@pytest.fixture
def stores(tmp_path):
    """The store of a node and the one at home."""
    found = [Store(tmp_path / name) for name in ("node", "home")]
    for store in found:
        store.create()
    return found


@pytest.mark.parametrize("damaged", [False, True])
def test_a_result_comes_home_with_its_samples_or_without(stores, damaged):
    node, home = stores
    trial = make_trial()
    node.save(make_result(trial, samples=make_samples()))
    parcel = packed(node.folder(trial.id))
    if damaged:
        parcel[sums.SAMPLES] = np.frombuffer(b"{", np.uint8)
    parcels = Parcels(None, Setup(home.root), home)
    assert parcels.unpack(trial, parcel) == "ok"
    assert home.load(trial.id).metrics["accuracy"] == 0.5 and len(home.predictions(trial.id)) == 5
    assert (home.samples(trial.id) is None) == damaged
    if not damaged:
        assert home.samples(trial.id).series["cpu_percent"].tolist() == [150.0] * 4
