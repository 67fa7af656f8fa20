"""A dense or convolution layer of integers: products through its multiplier, sums in its register."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from precision.arithmetic.accumulators.register import Register
from precision.arithmetic.engines.choice import AUTO, prepare
from precision.arithmetic.engines.layer import Layer
from precision.arithmetic.engines.sums import Engine, Rounding, Sums
from precision.arithmetic.integer.values import Codes, Grid, Value, Wide, of_rank
from precision.arithmetic.products import Products
from precision.arithmetic.requantisation.finish import Finish
from precision.arithmetic.window import Window
from precision.errors import PrecisionError


@dataclass
class Record:
    """What was seen of the sums of a layer.

    Attributes:
        engine: that computes it.
        proven_bits: the width of a register from which on no image can make it overflow.
        images: that were seen.
        products: multiplications for one image.
        overflowed: images with at least one sum that is not the exact one.
        overflowed_sums: how many sums are not.
        peak: the largest magnitude of a running sum; 0 where it was not watched.
    """

    engine: str = ""
    proven_bits: int = 0
    images: int = 0
    products: int = 0
    overflowed: int = 0
    overflowed_sums: int = 0
    peak: int = 0

    def __str__(self) -> str:
        words = [f"{self.proven_bits} bits suffice"]
        if self.peak:
            words.append(f"peak {self.peak}")
        if self.overflowed:
            words.append(f"{self.overflowed_sums} sums in {self.overflowed} images overflowed")
        return ", ".join([*words, self.engine])


_DENSE = {"litert_reference": "single"}  # FULLY_CONNECTED of LiteRT rounds once, its convolutions twice


@dataclass
class Linear:
    """Sums of products of codes; their unit is the product of the two scales.

    The zero of the activations is one of their codes. It goes through the multiplier like every other, and
    what it adds to an exact sum, zero * sum(weights), is taken from the bias beforehand: an approximate
    product of zero leaves its error.

    The bias of a layer whose scale is that of each image is added to the real sum, as it has no code.

    Attributes:
        name: of the layer, for errors.
        w: codes of the weights, int32, (*sizes, channels / groups, filters).
        scales: of the weights, float64 (filters,).
        bias: real, float64 (filters,); None for none.
        products: the multiplier, over the codes that there are.
        multiplier: its name; empty for the exact one.
        window: of the convolution; one without dimensions is a dense layer.
        register: holds the running sums.
        engine: that computes them, by name.
        watch: whether the peaks of running sums are looked for.
        record: what was seen so far.
    """

    name: str
    w: np.ndarray
    scales: np.ndarray
    bias: np.ndarray | None
    products: Products
    window: Window = field(default_factory=Window)
    register: Register = field(default_factory=Register)
    engine: str = AUTO
    watch: bool = False
    multiplier: str = ""
    record: Record = field(default_factory=Record)
    _prepared: dict[Any, tuple[Engine, bool]] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __call__(self, *values: Value, rule: str) -> Value:
        """Return the sums for one value."""
        (value,) = values
        codes, engine, _ = self._prepare(value)
        found = engine.sums(codes.codes, self.watch)
        overflowed = self._note(found, value.images)
        return replace(self.wide(self._shaped(found, value), codes.scale, rule), overflowed=overflowed)

    def rounded(self, value: Value, finish: Finish) -> np.ndarray | None:
        """Return the codes that the sums for a value become; None where the sums have to be made first.

        They have to where peaks are watched, a register may overflow, or the engine knows no other way.
        """
        codes, engine, _ = self._prepare(value)
        if self.watch or not isinstance(engine, Rounding):
            return None
        found = engine.rounded(codes.codes, finish)
        if found is None:
            return None
        self._note(found, value.images)
        return self._shaped(found, value)

    def wide(self, numbers: np.ndarray, scale: float | np.ndarray, rule: str) -> Wide:
        """Return sums with their unit, for inputs of a scale."""
        unit = of_rank(scale, numbers.ndim) * self.scales
        if np.ndim(scale) and self.bias is not None:
            return Wide(numbers * unit + self.bias, 1.0)
        return Wide(numbers, unit, rule=_DENSE.get(rule, "") if not self.window.sizes else "")

    def safe(self, value: Codes) -> bool:
        """Return whether no inputs like a value can make the register hold another number than their sum."""
        return self._prepare(value)[2]

    def _prepare(self, value: Value) -> tuple[Codes, Engine, bool]:
        """Return what an engine reads of a value, the engine, and whether no register changes a sum.

        Of a dense layer the last axis is summed over.
        """
        if not isinstance(value, Codes):
            raise PrecisionError(f"layer {self.name!r} reads numbers that were not rounded to integers")
        engine, safe = self._engine(value.grid, None if np.ndim(value.scale) else float(value.scale))
        if self.window.sizes:
            return value, engine, safe
        return replace(value, codes=value.codes.reshape(-1, value.codes.shape[-1])), engine, safe

    def _shaped(self, found: Sums, value: Value) -> np.ndarray:
        if self.window.sizes or not isinstance(value, Codes):
            return found.values
        return found.values.reshape(*value.codes.shape[:-1], self.w.shape[-1])

    def _engine(self, grid: Grid, scale: float | None) -> tuple[Engine, bool]:
        """Return what computes the sums for inputs on a grid, prepared once, and whether they are exact."""
        key = (grid.zero, scale)
        with self._lock:
            if key not in self._prepared:
                bias = None if scale is None else self._bias(grid, scale)
                try:
                    layer = Layer(self.w, self.products, self.window, bias, self.register, grid.zero)
                    engine = prepare(layer, self.engine)
                except PrecisionError as error:
                    raise PrecisionError(f"layer {self.name!r}: {error}") from None
                self._prepared[key] = engine, layer.exact
                self.record.proven_bits = layer.bound.bits
            return self._prepared[key]

    def bias_codes(self, scale: float) -> np.ndarray:
        """Return the bias in units of the sums, int64 (filters,), for inputs of a scale; 0 without a bias."""
        return self._bias_steps(scale).astype(np.int64)

    def _bias_steps(self, scale: float) -> np.ndarray:
        real = np.zeros(len(self.scales)) if self.bias is None else self.bias
        with np.errstate(over="ignore"):
            return np.asarray(np.rint(real / (scale * self.scales)))

    def _bias(self, grid: Grid, scale: float) -> np.ndarray:
        """Return the bias in units of the sums, less what the zero of the activations adds to them."""
        codes = self._bias_steps(scale)
        widest = float(self.register.highest)
        correction = grid.zero * self.w.reshape(-1, len(self.scales)).sum(axis=0, dtype=np.int64)
        worst = int(np.argmax(np.abs(codes - correction)))
        magnitude = abs(float(codes[worst]) - float(correction[worst]))
        if not magnitude < widest + 1 or magnitude >= 2.0**63:  # which a float of 64 bits rounds up to
            advice = "give the layer a wider register"
            if not magnitude < 2.0**63:
                advice = (
                    "no register holds it, as the weights of the channel are next to nothing: make them 0"
                )
            raise PrecisionError(
                f"layer {self.name!r}: an accumulator of {self.register.bits} bits is too narrow for the "
                f"bias of channel {worst}, which is {codes[worst] - correction[worst]:.6g} in units of its "
                f"sums; {advice}"
            )
        return codes.astype(np.int64) - correction

    def _note(self, found: Sums, images: int) -> np.ndarray | None:
        """Add to the record, and return which images overflowed."""
        overflowed: np.ndarray | None = None
        if images and found.images is not None:  # of a dense layer several rows may be of one image
            overflowed = np.any(found.images.reshape(images, -1), axis=1)
        with self._lock:  # parts of a batch come from several threads
            record = self.record
            record.engine = found.engine
            if images:
                record.images += images
                record.products = found.values.size // images * self.w[..., 0].size
                record.overflowed_sums += found.overflowed_sums
                record.peak = max(record.peak, found.peak or 0)
                record.overflowed += 0 if overflowed is None else int(overflowed.sum())
        return overflowed

    def count(self, like: Record, images: int, positions: int) -> None:
        """Add images to the record whose sums, of so many positions each, are those of another record."""
        with self._lock:
            self.record.engine, self.record.proven_bits = like.engine, like.proven_bits
            if images:
                self.record.images += images
                self.record.products = positions * self.w.size

    def anew(self) -> Linear:
        """Return the same layer with nothing seen."""
        return replace(self, record=Record(), _prepared={}, _lock=threading.Lock())

    def forget(self) -> None:
        """Begin the record anew."""
        self.record = replace(self.record, images=0, overflowed=0, overflowed_sums=0, peak=0)
