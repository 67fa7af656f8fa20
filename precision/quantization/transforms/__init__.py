"""What changes a network before it is rounded: folding, and transforms.

Folding (``folding``) takes normalisations out of the graph, and is a key of policies by itself. A transform
changes weights alone. It is a function of a float32 network, which is a copy of its own, and of images of
calibration, float32 (N, H, W, C), and returns the network:

    @TRANSFORMS.register("halve")
    def halve(network, images):
        network.set_weights([w / 2 for w in network.get_weights()])
        return network

``prepared`` does what a policy says and looks at what comes out. Planning a grid imports this module, so
Keras is imported inside.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from precision.registry import TRANSFORMS


@TRANSFORMS.register("equalize")
def equalize(network: Any, images: np.ndarray) -> Any:
    """Scale channels between consecutive layers, so that their weights share a range; needs no images."""
    from precision.quantization.transforms.equalisation import equalized

    return equalized(network)
