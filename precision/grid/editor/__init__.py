"""The JSON schema of grid files, by which editors complete, explain and check them while they are written."""

from precision.grid.editor.grid import json_schema

__all__ = ["json_schema"]
