"""Sums as hardware forms them, on arrays of NumPy; nothing of Keras."""
