"""Named things that a YAML file may refer to: architectures, datasets, formats, methods.

A registry maps a name to a factory. Registering happens by decorator where the thing is defined:

    @ARCHITECTURES.register("lenet")
    def lenet(input_shape, classes, *, width: Width = 1.0): ...

What comes as a keyword only is an option that a user may set; its annotation says what it may be, see
``precision.options``.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from precision.errors import PrecisionError, unknown

Factory = TypeVar("Factory", bound=Callable[..., Any])


def checked_by(check: Callable[[Any, dict[str, Any]], None]) -> Callable[[Factory], Factory]:
    """Return a decorator for a method that cannot run every policy, or not with every combination of options.

    A grid calls ``check(policy, options)`` for each pair that it asks for, before anything runs; a
    ``PrecisionError`` that it raises is shown with the line of the policy.

    @METHODS.register("native")
    @checked_by(check)
    def native(trial, bench): ...
    """

    def decorate(method: Factory) -> Factory:
        method.check = check  # type: ignore[attr-defined]
        return method

    return decorate


@dataclass(frozen=True)
class Owner:
    """Where a name was registered."""

    module: str
    file: str
    line: int

    @property
    def builtin(self) -> bool:
        """Whether the name comes with this project."""
        return self.module.split(".")[0] in ("precision", "architectures")

    def __str__(self) -> str:
        return self.module if self.builtin else f"{self.file}:{self.line}"


class Registry:
    """Factories of one kind by name. A name can be given only once."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._factories: dict[str, Callable[..., Any]] = {}
        self._owners: dict[str, Owner] = {}

    def register(self, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Return a decorator that registers a factory under ``name``; a name already in use is an error.

        >>> import numpy as np
        >>> from precision.formats import Codebook, parse, register_format
        >>> @register_format("signs")
        ... def signs():
        ...     return Codebook("signs", bits=1, values=[-1.0, 1.0])
        >>> parse("signs").quantize(np.array([0.3, -7.0]))
        array([ 1., -1.], dtype=float32)
        """
        self._check_name(name)
        caller = sys._getframe(1)
        owner = Owner(caller.f_globals.get("__name__", ""), caller.f_code.co_filename, caller.f_lineno)

        def decorate(factory: Callable[..., Any]) -> Callable[..., Any]:
            self.add(name, factory, owner)
            return factory

        return decorate

    def add(self, name: str, factory: Callable[..., Any], owner: Owner) -> None:
        """Register a factory under ``name``.

        Raises:
            PrecisionError: when the name is already in use or cannot be one.
        """
        self._check_name(name)
        if not callable(factory):
            raise PrecisionError(f"{self.kind} {name!r} needs a function that makes it, but got {factory!r}")
        if name in self._factories:
            raise PrecisionError(
                f"{self.kind} {name!r} is already registered by {self._owners[name]}; choose another name"
            )
        self._factories[name] = factory
        self._owners[name] = owner

    def _check_name(self, name: object) -> None:
        if not isinstance(name, str) or not name.isidentifier():
            raise PrecisionError(
                f"the name of a {self.kind} is letters, digits and '_', beginning with a letter, but got "
                f'{name!r}; write the decorator as @register("name")'
            )

    def remove(self, name: str) -> None:
        """Forget a name, for example one that a plugin gave before it failed."""
        del self._factories[name], self._owners[name]

    def owner(self, name: str) -> Owner:
        """Return where a name was registered."""
        return self._owners[name]

    def __getitem__(self, name: str) -> Callable[..., Any]:
        if name not in self._factories:
            raise unknown(self.kind, name, self._factories)
        return self._factories[name]

    def __contains__(self, name: object) -> bool:
        return name in self._factories

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._factories))

    def summary(self, name: str) -> str:
        """Return the first line of the factory's docstring."""
        return (inspect.getdoc(self[name]) or "").split("\n")[0]

    def options(self, name: str) -> dict[str, inspect.Parameter]:
        """Return the keyword-only parameters of the factory: the options that a user may set."""
        parameters = inspect.signature(self[name]).parameters
        return {key: p for key, p in parameters.items() if p.kind is p.KEYWORD_ONLY}

    def check_options(self, name: str, received: dict[str, Any]) -> None:
        """Refuse an option that the factory does not have or whose value breaks its rule.

        Raises:
            PrecisionError: for an unknown name, or a missing option without a default.
            LocatedError: with the option, for an unknown one or a value against its rule.
        """
        from precision.options import options_of, read

        read(options_of(self[name]), received, f"{self.kind} {name!r}")


ARCHITECTURES = Registry("architecture")
DATASETS = Registry("dataset")
FORMATS = Registry("format")
METHODS = Registry("method")
