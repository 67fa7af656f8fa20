"""Named things that a YAML file or a command may refer to, and what makes up a report.

A registry maps a name to a function or a class. Registering happens by decorator where the thing is defined:

    @ARCHITECTURES.register("lenet")
    def lenet(input_shape, classes, *, width: Width = 1.0): ...

What comes as a keyword only is an option that a user may set; its annotation says what it may be, see
``precision.options``. The same decorator in a plugin file (see ``precision.plugins``) adds something of one's
own. An installed package does so by an entry point of the group ``precision.<registry>``, whose name is that
of the thing and whose value is the function, or a module that registers it when it is imported: which happens
only when the name is asked for, or when everything is listed.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, TypeVar

from precision.errors import PrecisionError, line_in, trouble, unknown
from precision.origin import Owner, Package, offers

Factory = TypeVar("Factory", bound=Callable[..., Any])


def takes_any(network: Factory) -> Factory:
    """Mark a network that reads vectors of any length, and images of any size.

    The other networks that come with this project read images from 28x28 on.
    """
    network.takes_any = True  # type: ignore[attr-defined]
    return network


class Registry:
    """Functions of one kind by name. A name can be given only once.

    Args:
        kind: what one of them is called.
        group: the last word of the group of entry points.
        home: the module whose import registers what comes with this project.
        arguments: by position, with which every one of them is called; None where each has its own.
        keys: that stand beside the options where a grid names one of them, so that no option has such a name.
    """

    def __init__(
        self,
        kind: str,
        group: str = "",
        home: str = "",
        arguments: tuple[str, ...] | None = None,
        keys: tuple[str, ...] = (),
    ) -> None:
        self.kind, self.home, self.keys = kind, home, keys
        self.group = f"precision.{group}"
        self._arguments = arguments
        self._factories: dict[str, Callable[..., Any]] = {}
        self._owners: dict[str, Owner] = {}
        self._packaged: dict[str, Package] = {}

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
        owner = Owner.calling(sys._getframe(1))

        def decorate(factory: Callable[..., Any]) -> Callable[..., Any]:
            self.add(name, factory, owner)
            return factory

        return decorate

    def add(self, name: str, factory: Callable[..., Any], owner: Owner) -> None:
        """Register a factory under ``name``.

        Raises:
            PrecisionError: when the name is already in use or cannot be one, or the factory cannot be called
                as those of this kind are.
        """
        self._check_name(name)
        if not callable(factory):
            raise PrecisionError(f"{self.kind} {name!r} needs a function that makes it, but got {factory!r}")
        if not owner.builtin:
            self.fill()  # whose names are taken
        if name in self._factories:
            raise PrecisionError(
                f"{self.kind} {name!r} is already registered by {self._owners[name]}; choose another name"
            )
        if not owner.builtin and self._arguments is not None:
            _check_signature(f"{self.kind} {name!r}", factory, self._arguments)
        self._check_options(name, factory)
        self._factories[name] = factory
        self._owners[name] = owner

    def fill(self) -> None:
        """Register what comes with this project, if that has not happened."""
        if self.home:
            importlib.import_module(self.home)

    def _check_name(self, name: object) -> None:
        if not isinstance(name, str) or not name.isidentifier():
            raise PrecisionError(
                f"the name of a {self.kind} is letters, digits and '_', beginning with a letter, but got "
                f'{name!r}; write the decorator as @register("name")'
            )

    def _check_options(self, name: str, factory: Callable[..., Any]) -> None:
        """Refuse an option that a grid could not set: what it writes there means something else."""
        taken = sorted(set(self.keys) & set(_keywords(factory))) if self.keys else []
        if taken:
            raise PrecisionError(
                f"{self.kind} {name!r} has an option {taken[0]!r}, which in a grid is a key of every "
                f"{self.kind}; give the option another name"
            )

    def remove(self, name: str) -> None:
        """Forget a name, for example one that a plugin gave before it failed."""
        del self._factories[name], self._owners[name]
        self._packaged.pop(name, None)

    def owner(self, name: str) -> Owner:
        """Return where a name was registered."""
        return self._owners[name]

    def package(self, name: str) -> Package | None:
        """Return the installed package that gave a name by an entry point, if one did."""
        return self._packaged.get(name)

    def origin(self, name: str) -> str:
        """Return where a name comes from in words: ``built in``, a file and its line, or a package."""
        return "built in" if self._owners[name].builtin else str(self.package(name) or self._owners[name])

    def __getitem__(self, name: str) -> Callable[..., Any]:
        if name not in self._factories:
            self.load(name)
        if name not in self._factories:
            raise unknown(self.kind, name, [*self._factories, *self.offers()])
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

    def call(self, name: str, gives: type | tuple[type, ...], /, *arguments: Any, **options: Any) -> Any:
        """Return what the function of a name gives, one of the types ``gives``.

        Raises:
            PrecisionError: with the line, when one that did not come with this project raises or gives
                something else, or calls something of this project that refuses; a PrecisionError of its own,
                about an option, is left as it is.
        """
        function = self[name]
        if self._owners[name].builtin:
            return function(*arguments, **options)
        try:
            given = function(*arguments, **options)
        except MemoryError:
            raise
        except PrecisionError as error:
            if type(error) is not PrecisionError or _raised_in(error) == self._owners[name].file:
                raise
            raise self.error(name, f"was refused: {error}", error) from error
        except Exception as error:
            raise self.error(name, f"raised {trouble(error)}; correct this line", error) from error
        if not isinstance(given, gives):
            kinds = gives if isinstance(gives, tuple) else (gives,)
            words = " or ".join("None" if kind is type(None) else kind.__name__ for kind in kinds)
            raise self.error(name, f"must return a {words}, but it returned {_shown(given)}")
        return given

    def error(self, name: str, text: str, error: BaseException | None = None) -> PrecisionError:
        """Return the error that says what is wrong with a thing, and in which line."""
        owner = self._owners[name]
        line = (error and line_in(error, owner.file)) or owner.line
        return PrecisionError(f"{owner.file}:{line}: {self.kind} {name!r} {text}")

    def offers(self, name: str | None = None) -> dict[str, list[Package]]:
        """Return the packages that offer each name, or the one called ``name``; nothing is imported."""
        offered: dict[str, list[Package]] = {}
        for offer in offers(self.group, name):
            offered.setdefault(offer.point.name, []).append(offer.package)
        return offered

    def load(self, name: str) -> None:
        """Register ``name`` when an installed package offers it.

        Raises:
            PrecisionError: when several packages offer it, or the one that does is broken.
        """
        found = list(offers(self.group, name)) if isinstance(name, str) else []
        if not found:
            return
        if len(found) > 1:
            packages = " and ".join(str(offer.package) for offer in found)
            raise PrecisionError(
                f"a {self.kind} name belongs to one package, but {name!r} is offered by {packages}; "
                "uninstall one"
            )
        [offer] = found
        before = foreign()
        try:
            self._register(name, offer.point.load(), offer.point.value, offer.point.module)
        except (Exception, SystemExit) as error:
            forget(foreign() - before)
            said = str(error) if isinstance(error, PrecisionError) else f"it raised {trouble(error)}"
            raise PrecisionError(
                f"package {offer.package}: the entry point '{name} = {offer.point.value}' must give a "
                f"{self.kind}, but {said}; update or uninstall the package"
            ) from error
        for registry, added in foreign() - before:
            registry._packaged[added] = offer.package

    def load_all(self) -> None:
        """Register everything that an installed package offers; what is broken is a warning."""
        offered = self.offers()
        if offered:
            self.fill()
        for name, packages in sorted(offered.items()):
            if name in self:
                if self.owner(name).builtin:
                    warnings.warn(
                        f"package {packages[0]}: its {self.kind} {name!r} is not used, because "
                        f"{self.owner(name)} has that name",
                        stacklevel=2,
                    )
                continue
            try:
                self.load(name)
            except PrecisionError as error:
                warnings.warn(str(error), stacklevel=2)

    def _register(self, name: str, target: Any, value: str, module: str) -> None:
        if name in self:  # importing it was enough
            return
        if isinstance(target, ModuleType):
            raise PrecisionError(f"the module {target.__name__} registers no {self.kind} {name!r}")
        if not callable(target):
            raise PrecisionError(f"{value} is no factory but {target!r}")
        self.add(name, target, Owner.defining(target, module))


def _check_signature(what: str, factory: Callable[..., Any], arguments: tuple[str, ...]) -> None:
    """Refuse a function that does not take what it will be called with; options are given by keyword."""
    keywords = _keywords(factory)
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):  # of compiled code, which tells nothing
        return
    try:
        signature.bind(*arguments, **dict.fromkeys(keywords))
    except TypeError as error:
        raise PrecisionError(
            f"{what} is called with ({', '.join(arguments)}) and options by keyword, but its function takes "
            f"{_plain(signature)} ({error}); put its options behind a '*'"
        ) from None


def _plain(signature: inspect.Signature) -> inspect.Signature:
    """Return a signature without annotations, which may be long."""
    bare = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    return signature.replace(parameters=bare, return_annotation=signature.empty)


def _raised_in(error: BaseException) -> str:
    """Return the file whose line raised an exception."""
    return traceback.extract_tb(error.__traceback__)[-1].filename


def _keywords(factory: Callable[..., Any]) -> list[str]:
    """Return the options of a function: what comes as a keyword only."""
    try:
        parameters = inspect.signature(factory).parameters
    except (TypeError, ValueError):  # of compiled code, which tells nothing
        return []
    return [key for key, p in parameters.items() if p.kind is p.KEYWORD_ONLY]


def _shown(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"a {type(value).__name__}"


MODEL_FILE = "architecture file"  # among what a trial depends on: the sha256 of the file of its network
FORMATS = Registry("format", "formats", "precision.formats")
_ENTRY = ("name", "label")  # of an entry with options in a grid
ARCHITECTURES = Registry(
    "architecture", "architectures", "architectures", ("input_shape", "classes"), keys=_ENTRY
)
DATASETS = Registry("dataset", "datasets", "precision.data", ("data_dir",), keys=_ENTRY)
METHODS = Registry("method", "methods", "precision.methods", ("trial", "bench"), keys=_ENTRY)
OBSERVERS = Registry(
    "observer", "observers", "precision.quantization.calibration.observers", ("statistics", "aim")
)
"""Functions from ``Statistics`` and an ``Aim`` to the ends of a range, float32 (C,) each."""
TRANSFORMS = Registry("transform", "transforms", "precision.quantization.transforms", ("network", "images"))
"""Functions from a float32 network and images of calibration to the network with other weights."""
SECTIONS = Registry("report section", "sections", "precision.report.sections", ("results",))
"""Functions from ``Results`` to a ``Section``; None where the section does not apply."""
FIGURES = Registry("figure", "figures", "precision.report.figures", ("results",))
"""Functions from ``Results``, of all datasets or of one, to a ``Figure``; None where it does not apply."""
MULTIPLIERS = Registry("multiplier", "multipliers", "precision.arithmetic.multipliers")
TRACKERS = Registry("tracker", "trackers", "precision.tracking.make", ("folder", "grid_name"))
"""Functions from a folder (``Path``) and the name of a grid to a ``Tool``."""

REGISTRIES = (
    FORMATS,
    ARCHITECTURES,
    DATASETS,
    METHODS,
    OBSERVERS,
    TRANSFORMS,
    MULTIPLIERS,
    SECTIONS,
    FIGURES,
    TRACKERS,
)


def foreign() -> set[tuple[Registry, str]]:
    """Return everything registered that did not come with this project."""
    return {(r, name) for r in REGISTRIES for name in r if not r.owner(name).builtin}


def forget(things: set[tuple[Registry, str]]) -> None:
    """Remove things from their registries."""
    for registry, name in things:
        registry.remove(name)
