"""Texts that name a thing with its arguments: ``"fixed(8,4)"``.

Read with Python's parser, literals only, never evaluated. A plugin's thing must have a name that is such a
text and gives the same thing again: identities and stored results are made of it.
"""

from __future__ import annotations

import ast
import inspect
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from precision.errors import PrecisionError, line_in, shown, suggest, trouble
from precision.registry import Registry

LONGEST = 8192  # characters, of which a path takes most
Named = TypeVar("Named")


class Texts(Generic[Named]):
    """How the things of a registry are written.

    Args:
        registry: whose functions make them.
        gives: what each makes; it has a ``name``.
        examples: of texts; the last one has arguments.
        meant: returns for a name that is unknown what to suggest; None to compare it with those known.
        advice: to the author of a function that returns something else.
    """

    def __init__(
        self,
        registry: Registry,
        gives: type[Any],
        examples: Sequence[str],
        meant: Callable[[str], str | None] = lambda name: None,
        advice: str = "return one",
    ) -> None:
        self._registry, self._gives, self._examples = registry, gives, examples
        self._meant, self._advice = meant, advice

    def parse(self, text: str | Named) -> Named:
        """Return what a text names.

        Raises:
            PrecisionError: when the text is malformed, the name unknown, or an argument missing or out of
                range; when it is a plugin's and the plugin broken.
        """
        if isinstance(text, self._gives):
            return text
        kind = self._registry.kind
        if not isinstance(text, str):
            raise PrecisionError(f"a {kind} is a text such as '{self._examples[-1]}', but got {shown(text)}")
        try:
            return self._parsed(text)
        except RecursionError:
            raise PrecisionError(f"{kind} {shown(text)}: {kind}s are nested too deeply in it") from None

    def usage(self, name: str) -> str:
        """Return how one is written, with its defaults: ``float(e, m, overflow=infinity)``."""
        parameters = inspect.signature(self._registry[name]).parameters.values()
        words = [p.name if p.default is p.empty else f"{p.name}={p.default}" for p in parameters]
        return f"{name}({', '.join(words)})" if words else name

    def call(self, text: str) -> tuple[str, list[Any], dict[str, Any]]:
        """Split ``name(1, key=word)`` into its parts.

        An argument that is no literal is taken as the text that it is: a word, another such text, or a path.
        """
        text = text.strip()
        malformed = PrecisionError(
            f"malformed {self._registry.kind} {shown(text)}; write it as "
            + " or ".join(f"'{example}'" for example in self._examples)
        )
        if len(text) > LONGEST:
            raise malformed
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # of what is Python, but surely not meant
                node = ast.parse(text, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError, Warning):
            if "\\" in text:
                raise PrecisionError(f"{malformed}; a backslash in a path is written twice") from None
            if "/" in text:
                raise PrecisionError(f"{malformed}; a path like this one is written in quotes") from None
            raise malformed from None
        if isinstance(node, ast.Name):
            return node.id, [], {}
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            raise malformed
        if any(isinstance(argument, ast.Starred) for argument in node.args):
            raise malformed
        positional = [_literal(argument, text) for argument in node.args]
        named = {str(k.arg): _literal(k.value, text) for k in node.keywords if k.arg is not None}
        if len(named) != len(node.keywords):
            raise malformed
        return node.func.id, positional, named

    def _parsed(self, text: str) -> Named:
        registry = self._registry
        name, positional, named = self.call(text)
        if name not in registry:
            registry.load(name)
        if name not in registry:
            known = self._meant(name) or suggest(name, [*registry, *registry.offers()])
            raise PrecisionError(f"unknown {registry.kind} {shown(text)}; {known}")
        factory = registry[name]
        try:
            inspect.signature(factory).bind(*positional, **named)
        except TypeError as error:
            raise PrecisionError(
                f"{registry.kind} {shown(text)}: {error}; write it as {self.usage(name)}"
            ) from None
        if registry.owner(name).builtin:
            result: Named = factory(*positional, **named)
            return result
        return self._foreign(text, name, lambda: factory(*positional, **named))

    def _foreign(self, text: str, name: str, make: Callable[[], Any]) -> Named:
        """Return a thing of a plugin, whose name must be a text that gives the same thing again."""
        kind, owner = self._registry.kind, self._registry.owner(name)
        result: Any = self._build(text, name, make)
        if not isinstance(result, self._gives):
            raise PrecisionError(
                f"{owner.file}:{owner.line}: the factory of {kind} {shown(text)} must return a "
                f"{self._gives.__name__}, but it returned {shown(result)}; {self._advice}"
            )
        canonical = getattr(result, "name", None)
        again: Any
        try:
            head, positional, named = self.call(canonical if isinstance(canonical, str) else "")
            again = (
                result
                if canonical == text
                else self._build(text, name, lambda: self._registry[head](*positional, **named))
            )
        except PrecisionError:
            again = None
        if type(again) is not type(result) or again.name != canonical:
            raise PrecisionError(
                f"{owner.file}:{owner.line}: the name of a {kind} must be a text that gives the same {kind}, "
                f"but {shown(text)} gave the name {shown(canonical)}; name it {shown(text)}"
            )
        found: Named = result
        return found

    def _build(self, text: str, name: str, make: Callable[[], Any]) -> Any:
        """Return what a plugin's factory makes; its own PrecisionError, of an argument, stays as it is."""
        try:
            return make()
        except PrecisionError:
            raise
        except Exception as error:
            kind, owner = self._registry.kind, self._registry.owner(name)
            line = line_in(error, owner.file) or owner.line
            raise PrecisionError(
                f"{owner.file}:{line}: the factory of {kind} {text!r} must return a {self._gives.__name__}, "
                f"but it raised {trouble(error)}; raise PrecisionError for an argument that the {kind} does "
                "not take"
            ) from error


def _literal(node: ast.expr, text: str) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError, MemoryError):  # no literal, or none that Python makes
        return ast.get_source_segment(text, node)
