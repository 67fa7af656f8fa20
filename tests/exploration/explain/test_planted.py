import os

import pytest
from planted import Network, plain, planted, residual

SEEDS = (0, 1)


def test_the_fault_is_named_first(tmp_path):
    faults = list(planted([Network(plain, 0)], 2, 0, tmp_path, ("overflow", "rounding")))
    assert [named for _, named in faults] == [fault for fault, _ in faults]


@pytest.mark.skipif("PRECISION_PLANTED" not in os.environ, reason="a minute each, by `make planted`")
@pytest.mark.parametrize("seed", SEEDS)
def test_twenty_of_twenty_are_named_first(tmp_path, seed):
    networks = [Network(plain, 2 * seed), Network(residual, 2 * seed + 1)]
    faults = list(planted(networks, 20, seed, tmp_path))
    for fault, named in faults:
        print(f"{'named' if fault == named else 'MISSED'}: {' '.join(fault)}; first is {' '.join(named)}")
    assert [named for _, named in faults] == [fault for fault, _ in faults]
