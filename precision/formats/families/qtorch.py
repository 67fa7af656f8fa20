"""qtorch (the QPyTorch package, arXiv:1910.04540) as formats: its real behaviour, bit for bit.

Use these to repeat what was computed with qtorch. ``fixed``, ``float`` and ``bfp`` are the same formats with
correct rounding; docs/formats.md lists where the two differ, and with which values.

torch and qtorch are imported when the first number is rounded. qtorch then compiles a part of itself in C++,
once per machine, which takes about half a minute and needs ninja and a compiler.

Stochastic rounding: ``qtorch_fixed`` draws from torch's generator, which a key seeds. The other two draw from
a generator that the C++ code seeds from the device, out of reach; a trial with it could not be repeated, so
they only round to nearest.
"""

from __future__ import annotations

import math
import threading
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from precision.arguments import flag, integer, written
from precision.errors import PrecisionError
from precision.formats import codes
from precision.formats.engine import backend
from precision.formats.engine.program import Program
from precision.formats.families import qtorch_library
from precision.formats.families.fixed import fixed
from precision.formats.families.floating import float32
from precision.formats.kernels.block import BlockCodes
from precision.formats.kernels.callback import ArrayFormat
from precision.formats.kernels.lattice import Lattice
from precision.formats.rounding import MOST_RANDOM_BITS, Rounding, parse_rounding
from precision.registry import FORMATS

_SEEDING = threading.Lock()  # torch has one generator, and a graph may call from several threads


class Qtorch(ArrayFormat):
    """A quantiser of qtorch.

    Attributes:
        grid: a format of ours with the same values; it knows limits and codes, and does not round.
    """

    roundings: tuple[str, ...] = ("nearest",)
    nearest = False  # an addition in float32 before the rounding moves what lies next to a tie
    grid: Lattice

    @abstractmethod
    def apply(self, quant: Any, x: Any, rounding: str) -> Any:
        """Return a contiguous float32 torch tensor rounded by the module ``qtorch.quant``."""

    def available(self) -> None:
        """Import qtorch, compiling it where that has not been done.

        Raises:
            PrecisionError: when torch, qtorch, ninja or a C++ compiler is missing.
        """
        qtorch_library.quant()

    def check(self, shape: tuple[int | None, ...] | None) -> None:
        """Refuse a machine without qtorch before a graph is traced."""
        self.available()

    def quantize(
        self, x: Any, rounding: str | Rounding = "nearest", key: Any = None, *, axis: int = -1
    ) -> Any:
        """Round ``x`` as qtorch does; see :meth:`ArrayFormat.quantize`."""
        self._check_rounding(parse_rounding(rounding))
        return super().quantize(x, rounding, key, axis=axis)

    def program(self, rounding: str | Rounding = "nearest") -> tuple[Program, np.ndarray]:
        """Return the program and the range; see :meth:`NumberFormat.program`."""
        self._check_rounding(parse_rounding(rounding))
        return super().program(parse_rounding(rounding, self.roundings, self.name))

    def _check_rounding(self, rounding: Rounding) -> None:
        if not rounding.stochastic:
            return
        if "stochastic" not in self.roundings:
            raise PrecisionError(
                f"{self.name}: qtorch seeds this stochastic rounding from the device, so that no run could "
                f"be repeated; use rounding nearest, or stochastic with {self._ours}"
            )
        if rounding.random_bits != MOST_RANDOM_BITS:
            raise PrecisionError(
                f"{self.name}: qtorch always draws {MOST_RANDOM_BITS} random bits, but got {rounding}"
            )

    _ours = "a format of this library"

    def round_array(
        self, x: np.ndarray, rounding: Rounding, words: np.ndarray | None, axis: int
    ) -> np.ndarray:
        """Round an array through a torch tensor that shares its memory."""
        import torch

        y: np.ndarray = self.round_torch(torch.from_numpy(x), rounding, words, axis).numpy()
        return y

    def round_torch(self, x: Any, rounding: Rounding, words: np.ndarray | None, axis: int) -> Any:
        """Round a torch tensor; on a GPU by qtorch's own kernel."""
        import torch

        quant = qtorch_library.quant()
        x = x.detach()
        if not x.numel():
            return x.clone()
        if words is None:
            return self.apply(quant, x, "nearest")
        devices = [x.device] if x.is_cuda else []
        with _SEEDING, torch.random.fork_rng(devices=devices):
            # One word of 32 bits: torch's generator for the CPU ignores the others.
            torch.manual_seed(int(np.random.SeedSequence(words.view(np.uint32)).generate_state(1)[0]))
            return self.apply(quant, x, "stochastic")

    def values(self) -> np.ndarray:
        """Return every value, ascending (at most 16 bits)."""
        return self.grid.values()

    def table(self) -> np.ndarray:
        """Return the value of every code (at most 16 bits)."""
        return self.grid.table()

    def encode(self, x: Any, *, axis: int = -1) -> Any:
        """Return the codes of ``x``, rounded to nearest first: those of our format with the same values."""
        return self.grid.encode(self.quantize(np.asarray(x), axis=axis))

    def decode(self, encoded: Any, *, axis: int = -1) -> np.ndarray:
        """Return the values of codes; this needs no qtorch."""
        return self.grid.decode(encoded)

    @property
    def max(self) -> float:
        """Largest finite value."""
        return self.grid.max

    @property
    def lowest(self) -> float:
        """Least finite value."""
        return self.grid.lowest

    @property
    def min_normal(self) -> float:
        """Smallest positive value with the full relative precision."""
        return self.grid.min_normal

    @property
    def min_subnormal(self) -> float:
        """Smallest positive value."""
        return self.grid.min_subnormal

    @property
    def eps(self) -> float:
        """Spacing of the values just above 1."""
        return self.grid.eps


class QtorchFixed(Qtorch):
    """``fixed_point_quantize``: rint((x 2^fl + 0.5) - 0.5) 2^-fl with the first sum in float32."""

    roundings = ("nearest", "stochastic")
    symmetric = False  # the 0.5 is added whatever the sign

    def __init__(self, name: str, wl: int, fl: int, clamp: bool, symmetric: bool) -> None:
        self.name = name
        self.arguments = (wl, fl, clamp, symmetric)
        # Without clamping only the precision is cut: nothing short of a float32 holds the result.
        self.grid = fixed(wl, fl, symmetric=symmetric) if clamp else float32()
        self.bits = self.grid.bits
        self.infinity = self.grid.max if clamp else math.inf

        self._step = 2.0**-fl

    def apply(self, quant: Any, x: Any, rounding: str) -> Any:
        """Call qtorch."""
        return quant.fixed_point_quantize(x, *self.arguments, rounding=rounding)

    @property
    def min_normal(self) -> float:
        """The step, clamped or not."""
        return self._step

    min_subnormal = eps = min_normal

    def encode(self, x: Any, *, axis: int = -1) -> Any:
        """Return two's complement codes, or float32 codes where nothing is clamped.

        Raises:
            PrecisionError: for a NaN, which qtorch leaves as it is and no integer stands for.
        """
        y = self.quantize(np.asarray(x), axis=axis)
        if not self.grid.has_nan and np.isnan(y).any():
            raise PrecisionError(f"{self.name}: NaN stays NaN in qtorch, and none of the codes stands for it")
        return self.grid.encode(y)


class QtorchFloat(Qtorch):
    """``float_quantize``: ties away from zero, and the top exponent is finite below eight exponent bits."""

    _ours = "float(e,m)"

    def __init__(self, exp: int, man: int) -> None:
        self.name = f"qtorch_float({exp},{man})"
        self.arguments = (exp, man)
        top = 2 ** (exp - 1) if exp < 8 else 127
        high = (2.0 - 2.0**-man) * 2.0**top
        self.grid = Lattice(
            name=self.name,
            bits=1 + exp + man,
            man=man,
            exponent=2 - 2 ** (exp - 1),
            low=-high,
            high=high,
            floating=True,
            overflow="infinity" if exp == 8 else "saturate",
            has_nan=exp == 8,
            has_zero_sign=False,
        )
        self.bits = self.grid.bits
        self.nan = math.nan if exp == 8 else high
        self.infinity = self.grid.infinity

    def apply(self, quant: Any, x: Any, rounding: str) -> Any:
        """Call qtorch."""
        return quant.float_quantize(x, *self.arguments, rounding=rounding)


class QtorchBlock(Qtorch):
    """``block_quantize``: one exponent for the whole tensor, or for every index of one dimension.

    The dimension is named in the text and not asked for as ``axis``: dim=0 gives each row of a matrix its own
    exponent. How many values share one depends on the tensor, so that ``block`` stays None and ``bits``
    leaves the exponents out; ``packed_bytes`` counts them, 8 bits each.
    """

    _ours = "bfp(wl)"
    infinity = math.nan
    symmetric = False  # ties go toward +infinity

    def __init__(self, wl: int, dim: int) -> None:
        self.name = written("qtorch_block", (wl,), {"dim": (dim, -1)})
        self.dim = dim
        self.bits = wl
        self.grid = fixed(wl, wl - 2, symmetric=True)

    def check(self, shape: tuple[int | None, ...] | None) -> None:
        """Refuse a machine without qtorch, and a tensor without the dimension."""
        super().check(shape)
        if shape is not None:
            self._check_shape(shape)

    def _check_shape(self, shape: Sequence[int | None]) -> None:
        if self.dim >= len(shape):
            raise PrecisionError(
                f"{self.name}: a tensor needs more than {self.dim} dimensions, but got one of shape {shape}; "
                "dim=-1 shares one exponent in the whole tensor"
            )

    def apply(self, quant: Any, x: Any, rounding: str) -> Any:
        """Call qtorch."""
        return quant.block_quantize(x, self.grid.bits, self.dim, rounding=rounding)

    def program(self, rounding: str | Rounding = "nearest") -> tuple[Program, np.ndarray]:
        """Return the program; no gradient is stopped, because the exponent follows the largest value."""
        program, _ = super().program(rounding)
        return program, np.array([-math.inf, math.inf], np.float32)

    def encode(self, x: Any, *, axis: int = -1) -> BlockCodes:
        """Return elements in two's complement, and the exponent fields of the largest values.

        Raises:
            PrecisionError: for largest values below 2^-126, which qtorch rounds to more than wl bits.
        """
        array = backend.float32_array(np.asarray(x), odd=False)
        y = self.quantize(array)
        largest = np.abs(array).max(axis=self._shared(array.ndim), keepdims=True, initial=0)
        fields = largest.view(np.int32) >> 23
        if ((fields == 0) & (largest > 0)).any():
            least = largest[largest > 0].min()
            raise PrecisionError(f"{self.name}: a largest value below 2^-126, here {least:.3g}, has no code")
        with np.errstate(all="ignore"):
            elements = self.grid.encode(np.where(fields == 255, 0, y / _power(fields)))
        return BlockCodes(
            elements, fields.astype(np.uint8).reshape(self._scale_shape(array.shape)), np.float32(1)
        )

    def decode(self, encoded: Any, *, axis: int = -1) -> np.ndarray:
        """Return the values of :class:`BlockCodes`; this needs no qtorch.

        Raises:
            PrecisionError: when elements and exponents do not belong together.
        """
        elements, fields = np.asarray(encoded[0]), np.asarray(encoded[1])
        if fields.shape != self._scale_shape(elements.shape):
            raise PrecisionError(
                f"{self.name}: elements of shape {elements.shape} have exponents of shape "
                f"{self._scale_shape(elements.shape)}, but got {fields.shape}"
            )
        shape = [1] * elements.ndim
        if self.dim >= 0:
            shape[self.dim] = -1
        factor = _power(codes.checked(fields, 256, self.name).astype(np.int32).reshape(shape))
        with np.errstate(all="ignore"):
            values: np.ndarray = (self.grid.decode(elements) * factor).astype(np.float32)
        return values

    def pack(self, x: Any, *, axis: int = -1) -> bytes:
        """Return the packed elements, then one byte for each exponent."""
        elements, fields, _ = self.encode(x)
        return codes.pack(elements, self.grid.bits) + fields.tobytes()

    def unpack(self, data: bytes, shape: Sequence[int], *, axis: int = -1) -> np.ndarray:
        """Return the values of what :meth:`pack` returned; see :meth:`NumberFormat.unpack`."""
        codes.check_length(self.name, data, shape, self.packed_bytes(shape))
        cut = self.grid.packed_bytes(shape)
        elements = codes.unpack(data, self.grid.bits, math.prod(shape)).reshape(shape)
        fields = np.frombuffer(data[cut:], np.uint8).reshape(self._scale_shape(shape))
        return self.decode((elements, fields))

    def packed_bytes(self, shape: Sequence[int], *, axis: int = -1) -> int:
        """Return the length of :meth:`pack` for values of a shape."""
        return self.grid.packed_bytes(shape) + math.prod(self._scale_shape(shape))

    @property
    def max(self) -> float:
        """Largest value, under the largest exponent."""
        return self.grid.max * 2.0**127

    @property
    def lowest(self) -> float:
        """Least value, under the largest exponent."""
        return -self.max

    def _shared(self, dimensions: int) -> tuple[int, ...]:
        """Return the dimensions over which one exponent is shared."""
        return tuple(i for i in range(dimensions) if i != self.dim)

    def _scale_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        self._check_shape(shape)
        return (shape[self.dim],) if self.dim >= 0 else ()


def _power(fields: np.ndarray) -> np.ndarray:
    """Return 2^e of exponent fields as float32; NaN for the field of infinity, 0 for that of zero."""
    powers = np.ldexp(np.float32(1), np.clip(fields, 1, 254) - 127)
    return np.where(fields == 255, np.float32(math.nan), np.where(fields == 0, np.float32(0), powers))


@FORMATS.register("qtorch_fixed")
def qtorch_fixed(wl: int, fl: int, *, clamp: bool = True, symmetric: bool = False) -> QtorchFixed:
    """qtorch's fixed point, as it computes it: wl bits, fl of them fraction; NaN stays NaN.

    Args:
        clamp: limit the result to the range; otherwise only the fraction is cut to fl bits.
        symmetric: leave out the least value.

    Raises:
        PrecisionError: when wl is not in 1..24, the whole numbers that float32 holds, or step and range leave
            the normal float32 numbers.
    """
    form = "qtorch_fixed(wl,fl)"
    clamp, symmetric = flag(form, "clamp", clamp), flag(form, "symmetric", symmetric)
    integer(form, "wl", wl, 2 if symmetric else 1, 24)
    integer(form, "fl", fl, wl - 127, 126)
    name = written("qtorch_fixed", (wl, fl), {"clamp": (clamp, True), "symmetric": (symmetric, False)})
    return QtorchFixed(name, wl, fl, clamp, symmetric)


@FORMATS.register("qtorch_float")
def qtorch_float(exp: int, man: int) -> QtorchFloat:
    """qtorch's float, as it computes it: ties away from zero, finite top exponent (4, 3 ends at 480).

    Raises:
        PrecisionError: when exp is not in 1..8 or man not in 1..22; with 23 qtorch shifts by -1 bits, which
            C++ does not define and flips the sign.
    """
    integer("qtorch_float(exp,man)", "exp", exp, 1, 8)
    return QtorchFloat(exp, integer("qtorch_float(exp,man)", "man", man, 1, 22))


@FORMATS.register("qtorch_block")
def qtorch_block(wl: int, *, dim: int = -1) -> QtorchBlock:
    """qtorch's block floating point, as it computes it: wl bits, one exponent per tensor or index of dim.

    Args:
        dim: -1 for one exponent in the whole tensor; 0, 1, ... for one for every index of that dimension.

    Raises:
        PrecisionError: when wl is not in 2..22, outside of which qtorch shifts by negative numbers of bits,
            or dim is not in -1..31.
    """
    integer("qtorch_block(wl)", "wl", wl, 2, 22)
    return QtorchBlock(wl, integer("qtorch_block(wl)", "dim", dim, -1, 31))
