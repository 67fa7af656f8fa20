"""A whole training step, written out: the network forward, its loss, and the gradients of all variables.

Everything but the convolutions is the same whichever algorithm computes these, and so are the initial weights
and the order of the images: what differs between two of them is rounding alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from precision.arithmetic.convolutions import memory
from precision.arithmetic.convolutions.base import Convolution
from precision.arithmetic.window import Window

Gradients = list[np.ndarray]


class Layer(Protocol):
    """A step of a network; ``variables`` are changed in place by training."""

    variables: list[np.ndarray]

    def forward(self, x: np.ndarray, algorithm: Convolution) -> tuple[np.ndarray, Any]:
        """Return what the layer returns, and what its gradient needs to know."""
        ...

    def backward(
        self, known: Any, dy: np.ndarray, algorithm: Convolution, inputs: bool
    ) -> tuple[np.ndarray | None, Gradients]:
        """Return the gradients by what it read, None where that is not wanted, and by its variables."""
        ...


@dataclass
class Convolve:
    """A convolution; variables are its kernel and its bias."""

    variables: list[np.ndarray]
    window: Window

    def forward(self, x: np.ndarray, algorithm: Convolution) -> tuple[np.ndarray, Any]:
        """Add the bias to the sums."""
        w, bias = self.variables
        y = algorithm.forward(x, w, self.window)
        y += bias
        return y, x

    def backward(
        self, known: Any, dy: np.ndarray, algorithm: Convolution, inputs: bool
    ) -> tuple[np.ndarray | None, Gradients]:
        """The bias is added to every pixel of every image."""
        dx, dw = algorithm.backward(known, self.variables[0], self.window, dy, inputs)
        rows = dy.reshape(-1, dy.shape[3])
        return dx, [dw, np.ones(len(rows), rows.dtype) @ rows]  # as a product, which is added in fewer passes


@dataclass
class Dense:
    """A dense layer; variables are its kernel (inputs, outputs) and its bias."""

    variables: list[np.ndarray]

    def forward(self, x: np.ndarray, algorithm: Convolution) -> tuple[np.ndarray, Any]:
        """Multiply."""
        w, bias = self.variables
        return x @ w + bias, x

    def backward(
        self, known: Any, dy: np.ndarray, algorithm: Convolution, inputs: bool
    ) -> tuple[np.ndarray | None, Gradients]:
        """Multiply by the transposes."""
        return (dy @ self.variables[0].T if inputs else None), [known.T @ dy, dy.sum(axis=0)]


@dataclass
class Rectify:
    """ReLU: what is negative becomes 0, and has no gradient.

    Attributes:
        in_place: whether what it is given may be changed: the sums of the layer before, and the gradient
            of the one behind, which nobody else reads. New memory would cost more than the work.
    """

    in_place: bool = False

    def __post_init__(self) -> None:
        self.variables: list[np.ndarray] = []

    def forward(self, x: np.ndarray, algorithm: Convolution) -> tuple[np.ndarray, Any]:
        """Return what is positive."""
        known = np.greater(x, 0, out=memory.empty(x.shape, bool))
        return np.maximum(x, x.dtype.type(0), out=x if self.in_place else None), known

    def backward(
        self, known: Any, dy: np.ndarray, algorithm: Convolution, inputs: bool
    ) -> tuple[np.ndarray | None, Gradients]:
        """Let through what was positive."""
        return np.multiply(dy, known, out=dy if self.in_place else None), []


@dataclass
class Pool:
    """The largest value of squares side by side; what is left over at the right and below is not read."""

    size: int = 2  # at most 15: places are counted in 8 bits

    def __post_init__(self) -> None:
        self.variables: list[np.ndarray] = []

    def forward(self, x: np.ndarray, algorithm: Convolution) -> tuple[np.ndarray, Any]:
        """Return the largest values, and where they stood: of equal ones the first."""
        first, *others = self._places(x)
        y, which = memory.empty(first.shape, x.dtype), memory.zeros(first.shape, np.uint8)
        np.copyto(y, first)
        for number, values in enumerate(others, 1):
            np.copyto(which, number, where=values > y)
            np.maximum(y, values, out=y)
        return y, (which, x.shape)

    def backward(
        self, known: Any, dy: np.ndarray, algorithm: Convolution, inputs: bool
    ) -> tuple[np.ndarray | None, Gradients]:
        """Give the gradient to the place of the largest value."""
        which, shape = known
        dx = memory.zeros(shape, dy.dtype)
        for number, values in enumerate(self._places(dx)):
            np.multiply(dy, which == number, out=values)
        return dx, []

    def _places(self, x: np.ndarray) -> list[np.ndarray]:
        """Return what stands in each place of all squares, views (N, rows, columns, C)."""
        s = self.size
        rows, columns = x.shape[1] // s * s, x.shape[2] // s * s
        return [x[:, i:rows:s, j:columns:s] for i in range(s) for j in range(s)]


class Flatten:
    """Images become rows, channel by channel of pixel by pixel."""

    def __init__(self) -> None:
        self.variables: list[np.ndarray] = []

    def forward(self, x: np.ndarray, algorithm: Convolution) -> tuple[np.ndarray, Any]:
        """Return rows."""
        return x.reshape(len(x), -1), x.shape

    def backward(
        self, known: Any, dy: np.ndarray, algorithm: Convolution, inputs: bool
    ) -> tuple[np.ndarray | None, Gradients]:
        """Return images."""
        return dy.reshape(known), []


@dataclass
class Network:
    """Layers one after the other, from images to logits.

    >>> import numpy as np
    >>> from precision.arithmetic.convolutions import convolution
    >>> from precision.arithmetic.convolutions.step import Dense, Flatten, Network
    >>> network = Network([Flatten(), Dense([np.zeros((4, 2)), np.zeros(2)])])
    >>> loss, gradients = network.gradients(np.ones((1, 2, 2, 1)), np.array([1]), convolution("direct"))
    >>> round(loss, 4), gradients[1].tolist()
    (0.6931, [0.5, -0.5])
    """

    layers: Sequence[Layer]

    @property
    def variables(self) -> list[np.ndarray]:
        """The variables of all layers, in their order."""
        return [variable for layer in self.layers for variable in layer.variables]

    def logits(self, x: np.ndarray, algorithm: Convolution) -> np.ndarray:
        """Return the logits (N, classes) of images (N, H, W, C)."""
        for layer in self.layers:
            x, _ = layer.forward(x, algorithm)
        return x

    def gradients(self, x: np.ndarray, labels: np.ndarray, algorithm: Convolution) -> tuple[float, Gradients]:
        """Return the mean cross-entropy of a batch in nats, and its gradients by the variables."""
        _, loss, found = self.step(x, labels, algorithm)
        return loss, found

    def step(
        self, x: np.ndarray, labels: np.ndarray, algorithm: Convolution
    ) -> tuple[np.ndarray, float, Gradients]:
        """Return the logits of a batch, (N, classes), and what :meth:`gradients` returns.

        What layers keep from their way forward to their way back is in memory that the next step takes again.

        Args:
            x: images (N, H, W, C), of the type of the variables.
            labels: numbers of classes (N,).
        """
        with memory.kept():
            known = []
            for layer in self.layers:
                x, kept = layer.forward(x, algorithm)
                known.append(kept)
            logits = x.copy()
            loss, dy = cross_entropy(logits, labels)
            found: list[Gradients] = []
            for number in reversed(range(len(self.layers))):
                dx, own = self.layers[number].backward(known[number], dy, algorithm, inputs=number > 0)
                found.append(own)
                if dx is not None:
                    dy = dx
        return logits, loss, [gradient for own in reversed(found) for gradient in own]


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the mean cross-entropy of a softmax in nats, and its gradient by the logits."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    powers = np.exp(shifted)
    sums, rows = powers.sum(axis=1, keepdims=True), np.arange(len(labels))
    loss = float(np.mean(np.log(sums[:, 0]) - shifted[rows, labels]))
    dy = powers / sums
    dy[rows, labels] -= 1
    return loss, dy / dy.dtype.type(len(labels))


class Adam:
    """D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1.

    As Keras has it: epsilon is added before the correction of the bias is applied to the root.

    Args:
        variables: changed in place.
    """

    def __init__(
        self, variables: Sequence[np.ndarray], rate: float = 1e-3, beta1: float = 0.9, beta2: float = 0.999,
        epsilon: float = 1e-7,
    ) -> None:  # fmt: skip
        self.rate, self.beta1, self.beta2, self.epsilon = rate, beta1, beta2, epsilon
        self._variables, self._steps = list(variables), 0
        self._means = [np.zeros_like(v) for v in variables]
        self._squares = [np.zeros_like(v) for v in variables]

    def step(self, gradients: Gradients) -> None:
        """Change the variables."""
        self._steps += 1
        scale = self.rate * np.sqrt(1 - self.beta2**self._steps) / (1 - self.beta1**self._steps)
        for v, g, m, s in zip(self._variables, gradients, self._means, self._squares, strict=True):
            one = v.dtype.type
            m += (g - m) * one(1 - self.beta1)
            s += (g * g - s) * one(1 - self.beta2)
            v -= one(scale) * m / (np.sqrt(s) + one(self.epsilon))
