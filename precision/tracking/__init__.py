"""Tell TensorBoard, Weights & Biases and MLflow what a run does, without ever harming the run."""

from precision.tracking.make import make
from precision.tracking.tracker import Tracker

__all__ = ["Tracker", "make"]
