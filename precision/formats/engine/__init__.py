"""What runs the kernels: backends of tensors, programs with run-time numbers, noise, foreign code."""
