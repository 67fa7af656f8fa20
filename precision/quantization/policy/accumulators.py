"""The setting of the slot ``accumulators``: the format of running sums, and how often they are rounded to it.

accumulators: float16
accumulators: {format: "float(5,10)", every: 4, products: float16}
accumulators: register(16,overflow=saturate)     # of integers, method integer
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from precision.arithmetic.accumulators.accumulator import Accumulator
from precision.arithmetic.accumulators.register import Register
from precision.errors import LocatedError, PrecisionError, shown, suggest
from precision.quantization.policy.options import AccumulatorOptions, option
from precision.quantization.policy.settings import parse_setting


def parse_accumulator(spec: Any, location: tuple[str, ...]) -> Accumulator | Register | None:
    """Return what a format text or a mapping describes; None for float32, summed as the computer does.

    Raises:
        LocatedError: for an unknown key or format, or a number of steps that is none.
    """
    try:
        register = Register.parse(spec) if isinstance(spec, str) else None
    except PrecisionError as error:
        raise LocatedError(location, str(error)) from None
    if register is not None:
        return register
    options = dict(spec) if isinstance(spec, Mapping) else {"format": spec}
    for key in options:
        if key not in AccumulatorOptions.model_fields:
            hint = suggest(key, AccumulatorOptions.model_fields)
            raise LocatedError((*location, str(key)), f"unknown key {shown(key)} of accumulators; {hint}")
    every = option(AccumulatorOptions, options, "every", location)
    entry = {key: options[key] for key in ("format", "rounding") if key in options}
    plain = not options.keys() & {"every", "products"}
    setting = parse_setting(entry, location) if plain else _named(entry, location)
    products = parse_setting(options["products"], (*location, "products")) if "products" in options else None
    if setting is None:
        return None
    for key, found in (("format", setting), ("products", products)):
        if found is not None and (found.scaled or found.number_format.block is not None):
            raise LocatedError(
                (*location, key),
                f"a running sum has no scale that it shares with others, but got {found}; "
                "name a plain format",
            )
    return Accumulator(
        setting.number_format, every, products.number_format if products else None, setting.rounding
    )


def _named(entry: Mapping[str, Any], location: tuple[str, ...]) -> Any:
    """Return the setting, of float32 too: sums in a stated order differ from what a computer does."""
    from precision.formats import parse
    from precision.quantization.policy.settings import Setting

    return parse_setting(entry, location) or Setting(parse("float32"), str(entry.get("rounding", "nearest")))
