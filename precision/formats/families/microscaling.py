"""The named formats with shared scales, and ``block`` for any other.

MX after the OCP Microscaling Formats (MX) Specification 1.0; NVFP4 after NVIDIA 2025 (arXiv:2509.25149);
block floating point after J. Wilkinson 1963, "Rounding Errors in Algebraic Processes"; NF4 after T. Dettmers
et al. 2023, "QLoRA" (arXiv:2305.14314).
"""

from __future__ import annotations

from collections.abc import Callable

from precision.arguments import choice, flag, integer, written
from precision.errors import PrecisionError, shown
from precision.formats.base import NumberFormat
from precision.formats.families.fixed import on_grid
from precision.formats.families.tables import NF4
from precision.formats.kernels.block import RULES, Block
from precision.formats.kernels.codebook import Codebook
from precision.formats.kernels.lattice import Lattice
from precision.formats.text import parse
from precision.registry import FORMATS

MOST = 65536  # values in a block
_MX = {
    "mxfp8_e4m3": ("float8_e4m3fn(overflow=saturate)", "OCP MXFP8 with E4M3 elements: 8.25 bits a value."),
    "mxfp8_e5m2": ("float8_e5m2(overflow=saturate)", "OCP MXFP8 with E5M2 elements: 8.25 bits a value."),
    "mxfp6_e3m2": ("float6_e3m2fn", "OCP MXFP6 with E3M2 elements: 6.25 bits a value."),
    "mxfp6_e2m3": ("float6_e2m3fn", "OCP MXFP6 with E2M3 elements: 6.25 bits a value."),
    "mxfp4_e2m1": ("float4_e2m1fn", "OCP MXFP4 with E2M1 elements: 4.25 bits a value."),
}


def _mx(family: str, element: str, summary: str) -> Callable[..., Block]:
    def factory(*, block: int = 32, scale: str = "floor") -> Block:
        return _power_of_two(family, parse(element), (), block, 32, scale)

    factory.__doc__ = f"""{summary} A power-of-two scale for every 32.

    Args:
        block: values that share a scale.
        scale: rule for the scale: floor (OCP), ceil, even or rceil.
    """
    factory.__name__ = family
    return factory


def _power_of_two(
    family: str,
    element: NumberFormat,
    arguments: tuple[object, ...],
    block: int,
    usual: int,
    scale: str = "floor",
    **options: tuple[object, object],
) -> Block:
    integer(family, "block", block, 1, MOST)
    choice(family, "scale", scale, RULES)
    all_options = {"block": (block, usual), "scale": (scale, "floor"), **options}
    return Block(written(family, arguments, all_options), element, block, rule=scale)


for _family, (_element, _summary) in _MX.items():
    FORMATS.register(_family)(_mx(_family, _element, _summary))


@FORMATS.register("mxint8")
def mxint8(*, block: int = 32, scale: str = "floor", symmetric: bool = True) -> Block:
    """OCP MXINT8: 8-bit elements in steps of 2^-6, 8.25 bits a value. A power-of-two scale for every 32.

    Args:
        block: values that share a scale.
        scale: rule for the scale: floor (OCP), ceil, even or rceil.
        symmetric: leave out the element -2, as the specification allows and its authors do.
    """
    symmetric = flag("mxint8", "symmetric", symmetric)
    element = on_grid(
        f"fixed(8,6{',symmetric=True' if symmetric else ''})",
        8,
        6,
        signed=True,
        symmetric=symmetric,
        overflow="saturate",
    )
    return _power_of_two("mxint8", element, (), block, 32, scale, symmetric=(symmetric, True))


@FORMATS.register("bfp")
def bfp(wl: int, block: int = 32) -> Block:
    """Block floating point: wl-bit two's complement mantissas under one 8-bit exponent per block.

    With E = floor(log2 amax) the step is 2^(E+2-wl) and the range +-(2^(E+1) - step).

    Raises:
        PrecisionError: when wl is not in 2..24.
    """
    integer("bfp(wl,block)", "wl", wl, 2, 24)
    name = f"fixed({wl},{wl - 2},symmetric=True)"
    element = on_grid(name, wl, wl - 2, signed=True, symmetric=True, overflow="saturate")
    return _power_of_two("bfp", element, (wl,), block, 32)


@FORMATS.register("nvfp4")
def nvfp4(*, block: int = 16, tensor_scale: bool = True) -> Block:
    """NVIDIA FP4: E2M1 elements, an E4M3 scale for every 16, a float32 scale per tensor; 4.5 bits a value.

    Args:
        block: values that share a scale.
        tensor_scale: whether there is a scale for the whole tensor, without which a block whose largest
            magnitude is at most 6 * 2^-10 becomes zero.
    """
    integer("nvfp4", "block", block, 1, MOST)
    tensor_scale = flag("nvfp4", "tensor_scale", tensor_scale)
    name = written("nvfp4", (), {"block": (block, 16), "tensor_scale": (tensor_scale, True)})
    return Block(
        name,
        parse("float4_e2m1fn"),
        block,
        scale=_lattice("nvfp4", "float8_e4m3fn(overflow=saturate)"),
        tensor_scale=tensor_scale,
    )


@FORMATS.register("nf4")
def nf4(*, block: int = 0) -> Codebook | Block:
    """4-bit NormalFloat: 16 quantiles of the normal distribution in [-1, 1].

    Args:
        block: values that share a float32 scale, their largest magnitude (QLoRA has 64); 0 for none.
    """
    table = Codebook("nf4", 4, NF4)
    integer("nf4", "block", block, 0, MOST)
    return Block(f"nf4(block={block})", table, block, scale=_lattice("nf4", "float32")) if block else table


@FORMATS.register("block")
def block_of(element: str, size: int, *, scale: str = "floor") -> Block:
    """Any fixed, floating or codebook format under a scale for every ``size`` values.

    Args:
        element: text of a format that saturates, for example ``posit(8,0)``.
        size: values that share a scale.
        scale: a rule for a power of two (floor, ceil, even, rceil), or a float format for the scale itself.
    """
    form = "block(element,size)"
    integer(form, "size", size, 1, MOST)
    inner = parse(element)
    name = written("block", (inner.name, size), {"scale": (str(scale), "floor")})
    if scale in RULES:
        return Block(name, inner, size, rule=str(scale))
    number_format = _lattice(form, scale)
    name = written("block", (inner.name, size), {"scale": (number_format.name, "floor")})
    return Block(name, inner, size, scale=number_format)


def _lattice(form: str, text: str) -> Lattice:
    found = parse(text)
    if not isinstance(found, Lattice) or not found.floating:
        raise PrecisionError(
            f"{form}: scale must be one of {', '.join(RULES)} or a float format such as float8_e4m3fn, but "
            f"got {shown(text)}"
        )
    return found
