"""Latency and throughput of a network, under a clock that its calls move."""

import numpy as np
import pytest

from precision.methods.latency import BUDGET, LEAST, MOST, WARM, latencies, percentile


class Network:
    """A call takes so long per image, and a little of its own; the first with a new size builds."""

    def __init__(self, image=0.001, call=0.004, slow_every=0):
        self.now, self.calls = 0.0, []
        self._image, self._call, self._slow = image, call, slow_every

    def clock(self):
        return self.now

    def logits(self, images):
        new = len(images) not in {len(seen) for seen in self.calls}
        self.calls.append(images)
        slow = self._slow and len(self.calls) % self._slow == 0
        self.now += 50.0 if new else (self._call + self._image * len(images)) * (10 if slow else 1)
        return np.zeros((len(images), 2), np.float32)


IMAGES = np.arange(10, dtype=np.uint8).reshape(10, 1)


def test_the_median_and_the_throughput_leave_out_what_builds():
    network = Network()
    rows = latencies(network, IMAGES, (1, 8), network.clock)
    assert [row["batch"] for row in rows] == [1, 8]
    assert [row["median_ms"] for row in rows] == pytest.approx([5.0, 12.0])
    assert [row["p95_ms"] for row in rows] == pytest.approx([5.0, 12.0])
    assert [row["images_per_second"] for row in rows] == pytest.approx([1 / 0.005, 8 / 0.012])
    assert rows[0]["calls"] == MOST and rows[1]["calls"] == pytest.approx(BUDGET / 0.012, abs=1)


def test_rare_slow_calls_are_seen_by_the_95th_percentile():
    network = Network(slow_every=10)
    (row,) = latencies(network, IMAGES, (1,), network.clock)
    assert row["median_ms"] == pytest.approx(5.0) and row["p95_ms"] == pytest.approx(50.0)


def test_images_are_taken_in_turn_and_again():
    network = Network()
    latencies(network, IMAGES, (4, 16), network.clock)
    assert [seen.ravel().tolist() for seen in network.calls[:3]] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9, 0, 1],
    ]
    assert next(seen for seen in network.calls if len(seen) == 16).ravel().tolist() == [*range(10), *range(6)]


def test_slow_networks_are_called_a_few_times_and_too_slow_ones_not_at_all():
    network = Network(image=0.5)
    rows = latencies(network, IMAGES, (1, 3, 8, 64), network.clock)
    assert [(row["batch"], row["calls"]) for row in rows] == [(1, LEAST), (3, LEAST)]
    sizes = [len(seen) for seen in network.calls]
    assert sizes.count(8) == WARM and 64 not in sizes


@pytest.mark.parametrize("count", [1, 5, 19, 20, 21, 200])
def test_the_percentile_is_a_value_that_the_share_does_not_exceed(count):
    values = list(np.random.default_rng(count).permutation(count).astype(float))
    found = percentile(values, 0.95)
    assert found == np.percentile(values, 95, method="inverted_cdf")
