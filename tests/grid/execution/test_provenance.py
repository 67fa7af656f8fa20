"""What a record says of where its numbers come from."""

import pytest
from stored import make_trial

from precision.grid.execution import provenance as module
from precision.grid.execution.provenance import provenance
from precision.measure.machine.environment import together


@pytest.mark.parametrize(("gpus", "ran_here"), [("", True), ("H100, H100", True), ("H100", False)])
def test_the_gpus_of_the_process_that_ran_a_trial(monkeypatch, gpus, ran_here):
    """Another process would take their memory by asking."""
    asked = []
    here = {"jax": "1", "GPUs": gpus, "threads": "3"}
    monkeypatch.setattr(module, "started", lambda: asked.append(1) or here)
    monkeypatch.setitem(module.sys.modules, "keras", module)
    found = provenance(make_trial(), threads=3, ran_here=ran_here)
    assert found.get("gpus", "") == (gpus if ran_here else "") and bool(asked) == ran_here
    assert together([found]).get("gpus", "") == found.get("gpus", "")
    assert {"threads", "cores", "settings", "machine", "rerun", "finished"} <= found.keys()
    assert found["threads"] == "3"
    assert found.get("pools", "").startswith("jax 3, " if ran_here else "")
