"""From a YAML file to its trials: reading, checking, expanding. Nothing here imports TensorFlow."""
