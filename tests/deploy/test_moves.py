"""What moves numbers is read off where they end up; what does anything else with them is not."""

import numpy as np
import pytest

from precision.deploy.moves import Cut, Pad, Reshape, Transpose, moves

MOVES = {
    "reshape": (lambda x, fill: x.reshape(len(x), 12), [Reshape((12,))]),
    "nothing": (lambda x, fill: x, []),
    "transpose": (lambda x, fill: x.transpose(0, 2, 1), [Transpose((0, 2, 1))]),
    "cut": (lambda x, fill: x[:, 1::2], [Cut((1, 0), (4, 3), (2, 1))]),
    "padded": (
        lambda x, fill: np.pad(x, [(0, 0), (1, 2), (0, 0)], constant_values=fill),
        [Pad(((1, 2), (0, 0)))],
    ),
    "both": (
        lambda x, fill: np.pad(x[:, :, ::2], [(0, 0), (0, 0), (0, 1)], constant_values=fill),
        [Cut((0, 0), (4, 3), (1, 2)), Pad(((0, 0), (0, 1)))],
    ),
    "reversed": (lambda x, fill: x[:, ::-1], None),
    "repeated": (lambda x, fill: x.repeat(2, axis=1), None),
    "of another rank": (lambda x, fill: x[:, 0], None),
    "all gone": (lambda x, fill: np.full_like(x, fill), None),
    "squared": (lambda x, fill: x * x, None),
    "shifted": (lambda x, fill: x + np.float32(0.25), None),
    "of all images together": (lambda x, fill: x.reshape(-1, 6), None),
    "images for rows": (lambda x, fill: x.transpose(1, 0, 2), None),
}


@pytest.mark.parametrize("name", MOVES)
def test_a_move_is_read_off_where_numbers_come_from(name):
    to, expected = MOVES[name]
    assert moves(to, (4, 3)) == expected
