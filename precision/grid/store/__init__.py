"""Results on disk."""

from precision.grid.store.store import Store

__all__ = ["Store"]
