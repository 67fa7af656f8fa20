"""Quantising a network: policies, where they round, and the wrapper that makes a layer round.

Keras is imported with ``model.py``, not with the policies, so that a grid is validated instantly.
"""

from typing import TYPE_CHECKING, Any

from precision.quantization.policy.policy import SLOTS, Policy, parse_policy
from precision.quantization.policy.settings import Scaling, Setting

if TYPE_CHECKING:  # what editors and type checkers see; when it runs, __getattr__ imports it
    from precision.quantization.model import apply, assign, calibrated, structure

__all__ = [
    "SLOTS",
    "Policy",
    "Scaling",
    "Setting",
    "apply",
    "assign",
    "calibrated",
    "parse_policy",
    "structure",
]


def __getattr__(name: str) -> Any:
    if name in ("apply", "assign", "calibrated", "structure"):
        import importlib

        return getattr(importlib.import_module("precision.quantization.model"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
