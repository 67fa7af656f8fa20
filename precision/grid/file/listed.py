"""Entries of a grid file that may be one value or a list of them."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_before_validator_function

T = TypeVar("T")


class _Listed:
    """Takes a single value for a list of itself."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_before_validator_function(_as_list, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        several = handler(schema)
        return {"anyOf": [several["items"], several]}


def _as_list(entry: Any) -> Any:
    return entry if isinstance(entry, list) else [entry]


Listed = Annotated[list[T], _Listed()]
Words = Annotated[Listed[str], Field(description="Labels or wildcards; all if absent.")]
