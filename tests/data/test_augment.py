"""Augmentation moves images as it says, and the same random state gives the same bits."""

import numpy as np
import pytest

from precision.data import Augmentation
from precision.errors import PrecisionError


def spot(row: int, column: int, size: int = 21) -> np.ndarray:
    image = np.zeros((1, size, size, 1), np.float32)
    image[0, row, column, 0] = 1
    return image


class Fixed(np.random.Generator):
    """Draws the given amounts (rotation, down, right, zoom) for every image."""

    def __init__(self, *amounts: float) -> None:
        super().__init__(np.random.PCG64(0))
        self.amounts = amounts

    def uniform(self, low: float, high: float, size: tuple[int, int]) -> np.ndarray:  # type: ignore[override]
        assert (low, high) == (-1, 1)
        return np.tile(self.amounts, (size[0], 1))


def centre_of_mass(image: np.ndarray) -> tuple[float, float]:
    rows, columns = np.indices(image.shape[1:3])
    mass = image[0, :, :, 0]
    return float((rows * mass).sum() / mass.sum()), float((columns * mass).sum() / mass.sum())


def test_nothing_moves_by_zero(rng: np.random.Generator) -> None:
    images = rng.random((5, 9, 7, 3), np.float32)
    np.testing.assert_array_equal(Augmentation().apply(images, rng), images)


def test_a_whole_pixel_shift_is_exact(rng: np.random.Generator) -> None:
    images = rng.random((2, 10, 20, 3), np.float32)
    moved = Augmentation(shift=0.2).apply(images, Fixed(0.7, 0.5, -1, 0.3))  # 1 row down, 4 columns left
    np.testing.assert_allclose(moved[:, 1:, :-4], images[:, :-1, 4:], atol=1e-6)
    np.testing.assert_allclose(moved[:, 0], 0, atol=1e-6)
    np.testing.assert_allclose(moved[:, :, -4:], 0, atol=1e-6)


def test_half_a_pixel_splits_the_mass() -> None:
    moved = Augmentation(shift=0.5).apply(spot(5, 5, size=10), Fixed(0, 0, 0.1, 0))
    np.testing.assert_allclose(moved[0, 5, 4:8, 0], [0, 0.5, 0.5, 0], atol=1e-6)


def test_a_quarter_turn_is_exact() -> None:
    moved = Augmentation(rotation=90).apply(spot(10, 13), Fixed(1, 0, 0, 0))
    assert moved[0, 7, 10, 0] == pytest.approx(1, abs=1e-6) or moved[0, 13, 10, 0] == pytest.approx(
        1, abs=1e-6
    )
    back = Augmentation(rotation=90).apply(moved, Fixed(-1, 0, 0, 0))
    np.testing.assert_allclose(back, spot(10, 13), atol=1e-5)


def test_rotation_keeps_the_distance_from_the_centre() -> None:
    moved = Augmentation(rotation=30).apply(spot(10, 16), Fixed(1, 0, 0, 0))
    row, column = centre_of_mass(moved)
    assert np.hypot(row - 10, column - 10) == pytest.approx(6, abs=0.2)
    assert abs(np.rad2deg(np.arctan2(row - 10, column - 10))) == pytest.approx(30, abs=2)


def test_zoom_moves_away_from_the_centre_and_enlarges() -> None:
    square = np.zeros((1, 21, 21, 1), np.float32)
    square[0, 8:13, 8:13, 0] = 1
    larger = Augmentation(zoom=0.5).apply(square, Fixed(0, 0, 0, 1))
    smaller = Augmentation(zoom=0.5).apply(square, Fixed(0, 0, 0, -1))
    assert larger.sum() == pytest.approx(25 * 1.5**2, rel=0.1)
    assert smaller.sum() < 25 / 2  # a quarter, but the pixels in between are not sampled
    assert centre_of_mass(larger) == pytest.approx((10, 10))


def test_the_same_state_gives_the_same_bits() -> None:
    images = np.random.default_rng(1).random((8, 28, 28, 1), np.float32)
    augmentation = Augmentation(rotation=15, shift=0.1, zoom=0.1)
    first = augmentation.apply(images, np.random.default_rng(7))
    np.testing.assert_array_equal(first, augmentation.apply(images, np.random.default_rng(7)))
    assert first.dtype == np.float32
    assert not np.array_equal(first, augmentation.apply(images, np.random.default_rng(8)))
    assert not np.array_equal(
        first[0], augmentation.apply(images[:1].repeat(2, axis=0), np.random.default_rng(7))[1]
    )


def test_every_augmentation_draws_the_same_numbers() -> None:
    images = np.zeros((3, 4, 4, 1), np.float32)
    states = []
    for augmentation in (Augmentation(), Augmentation(rotation=5), Augmentation(shift=0.1, zoom=0.2)):
        rng = np.random.default_rng(0)
        augmentation.apply(images, rng)
        states.append(rng.random())
    assert len(set(states)) == 1


def test_refuses_images_of_another_kind(rng: np.random.Generator) -> None:
    with pytest.raises(PrecisionError, match=r"must be float32 \(B, H, W, C\), but got uint8"):
        Augmentation().apply(np.zeros((1, 4, 4, 1), np.uint8), rng)
    with pytest.raises(PrecisionError, match=r"float32 \(4, 4, 1\)"):
        Augmentation().apply(np.zeros((4, 4, 1), np.float32), rng)


def test_parse() -> None:
    assert Augmentation.parse({"rotation": 10, "zoom": 0.1}) == Augmentation(10.0, 0.0, 0.1)
    assert Augmentation.parse(None) is None
    assert Augmentation.parse({}) is None
    assert Augmentation.parse({"shift": 0}) is None
    with pytest.raises(PrecisionError, match=r"augment has no key 'flip'; known: rotation, shift, zoom"):
        Augmentation.parse({"flip": True})
    with pytest.raises(PrecisionError, match=r"augment: shift must be a number in 0\.\.0\.5, but got 'far'"):
        Augmentation(shift="far")  # type: ignore[arg-type]
