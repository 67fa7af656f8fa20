"""A small format written by hand, honest in everything, for the tests to break in one place at a time."""

import math

import numpy as np

from precision.formats import NumberFormat, parse_rounding
from precision.formats.engine import backend, noise

STEP, TOP = 0.25, 7


class Quarters(NumberFormat):
    """Multiples of 0.25 from -1.75 to 1.75 in 4 bits of two's complement; NaN becomes 0."""

    name = "quarters"
    bits = 4
    roundings = ("nearest", "floor", "ceil", "stochastic")
    nan = 0.0
    infinity = STEP * TOP

    def quantize(self, x, rounding="nearest", key=None, *, axis=-1):
        mode = parse_rounding(rounding, self.roundings, self.name).mode
        if mode == "stochastic":
            words = noise.key(key) if key is not None else parse_rounding("none")
        if isinstance(x, np.ndarray | np.generic):
            x = np.asarray(x)
            scaled = np.nan_to_num(x.astype(np.float32), nan=0, posinf=100, neginf=-100) / STEP
            n = self.draw(scaled, words) if mode == "stochastic" else self.integer(np, scaled, mode)
            return self.done(np.clip(n, -TOP, TOP).astype(np.float32) * np.float32(STEP) + np.float32(0))
        return backend.straight_through(lambda t: self.tensor(t, mode), x)

    def tensor(self, x, mode):
        from keras import ops

        x = ops.where(x == x, x, 0.0)
        y = ops.clip(self.integer(ops, x / STEP, mode), -TOP, TOP) * STEP
        return ops.where(y == 0, 0.0, y)

    def integer(self, xp, n, mode):
        return {"nearest": xp.round, "floor": xp.floor, "ceil": xp.ceil, "stochastic": xp.floor}[mode](n)

    def draw(self, n, words):
        below = np.floor(n)
        return below + (self.uniform(n.shape, words) < n - below)

    def uniform(self, shape, words):
        return np.random.default_rng(words.view(np.uint32)).random(shape)

    def done(self, y):
        return y

    def values(self):
        return np.arange(-TOP, TOP + 1, dtype=np.float32) * np.float32(STEP)

    def table(self):
        n = np.arange(16)
        return (np.where(n > 8, n - 16, np.where(n == 8, 0, n)) * STEP).astype(np.float32)


class Wide(Quarters):
    """Multiples of 0.25 in 20 bits: too many to list."""

    name = "wide_quarters"
    bits = 20
    roundings = ("nearest",)
    infinity = STEP * (2**19 - 1)
    max = infinity
    lowest = -infinity
    min_subnormal = STEP
    eps = STEP

    def quantize(self, x, rounding="nearest", key=None, *, axis=-1):
        parse_rounding(rounding, self.roundings, self.name)
        x = np.nan_to_num(np.asarray(x, np.float32), nan=0, posinf=1e9, neginf=-1e9)
        return self.done(np.clip(np.rint(x / STEP) * STEP, self.lowest, self.max).astype(np.float32) + 0)

    def values(self):
        raise ValueError("too many")

    def encode(self, x, *, axis=-1):
        return (np.rint(self.quantize(np.asarray(x)) / STEP).astype(np.int64) & (2**20 - 1)).astype(np.uint32)

    def decode(self, encoded, *, axis=-1):
        n = encoded.astype(np.int64)
        return (np.where(n >= 2**19, n - 2**20, n) * STEP).astype(np.float32)


class Shared(NumberFormat):
    """Multiples of 0.25 up to 1.75, under a power of two for every 4 neighbours; stored as float32."""

    name = "shared_quarters"
    bits = 32
    roundings = ("nearest",)
    nan = math.nan
    infinity = math.nan
    block = 4

    def quantize(self, x, rounding="nearest", key=None, *, axis=-1):
        parse_rounding(rounding, self.roundings, self.name)
        x = np.asarray(x, np.float32)
        if x.ndim == 0:
            return self.quantize(x.reshape(1))[0]
        rows = np.moveaxis(x, self.axis(axis), -1)
        return np.moveaxis(self.rows(rows), -1, self.axis(axis))

    def axis(self, axis):
        return axis

    def rows(self, x):
        length = x.shape[-1]
        x = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, -length % 4)])
        blocks = x.reshape(*x.shape[:-1], x.shape[-1] // 4, 4)
        return self.rounded(blocks, self.scales(blocks)).reshape(x.shape)[..., :length]

    def scales(self, blocks):
        amax = np.abs(blocks).max(axis=-1, keepdims=True, initial=0)
        scale = np.ldexp(np.float32(1), np.frexp(amax)[1] - 1)
        return np.where(np.isfinite(amax), np.where(amax == 0, 1, scale), np.nan)

    def rounded(self, blocks, scale):
        n = np.clip(np.rint(blocks / scale / STEP), -TOP, TOP)
        return (n * STEP * scale + 0).astype(np.float32)

    def values(self):
        return Quarters().values()

    def encode(self, x, *, axis=-1):
        return self.quantize(x, axis=axis)

    def decode(self, encoded, *, axis=-1):
        return encoded

    def pack(self, x, *, axis=-1):
        return self.quantize(x, axis=axis).tobytes()

    def unpack(self, data, shape, *, axis=-1):
        if len(data) != self.packed_bytes(shape):
            parse_rounding("wrong length")
        return np.frombuffer(data, np.float32, math.prod(shape)).reshape(shape)

    def packed_bytes(self, shape, *, axis=-1):
        return 4 * math.prod(shape)
