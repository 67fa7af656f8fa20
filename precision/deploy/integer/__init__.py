"""Networks of integers from quantised Keras models, and their evaluation."""

from precision.deploy.integer.arithmetic import Arithmetic
from precision.deploy.integer.conversion import integer_network
from precision.deploy.integer.predictor import IntegerPredictor

__all__ = ["Arithmetic", "IntegerPredictor", "integer_network"]
