"""The identity of trained weights, to tell whether two trainings ended with the same bits."""

from __future__ import annotations

import hashlib
from typing import Any


def weights_digest(model: Any) -> str:
    """Return a sha256 (64 hexadecimal digits) of the variables of a model: names, types, shapes and bytes.

    The name of a variable is its own, ``kernel`` or ``bias``, without that of its layer: Keras numbers layers
    that were given none through all networks of a process. Seeds are left out.
    """
    digest = hashlib.sha256()
    for variable in model.weights:
        value = variable.numpy()
        digest.update(f"{variable.name}\0{value.dtype}{list(value.shape)}\0".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()
