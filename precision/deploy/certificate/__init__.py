"""Certificates: whether what a run-time computes is what was evaluated, tensor by tensor."""

from precision.deploy.certificate.agreement import Certificate, Compared
from precision.deploy.certificate.certify import Runtime, certify
from precision.deploy.certificate.labels import labels

__all__ = ["Certificate", "Compared", "Runtime", "certify", "labels"]
