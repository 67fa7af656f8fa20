"""LiteRT files: written from networks of integers or by TensorFlow's converter, read back, and run.

``policies`` says what a file can carry, ``writer`` and ``converter`` make one, ``contents`` reads it,
``interpreter`` runs it, ``predictor`` and ``runtime`` are that for an evaluation and for a certificate.
"""
