"""The YAML file of a grid: reading, checking, where each entry stands. Nothing here imports TensorFlow."""
