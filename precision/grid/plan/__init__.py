"""From a grid to its cells and trials: the product of the axes, choices of cells, order and time."""
