"""Certificates: whether what a run-time computes is what was evaluated, tensor by tensor.

``certify`` compares a network of integers with a run-time, of which it knows but a protocol; ``labels`` says
how both call their tensors, ``agreement`` what comes of it.
"""
