"""Builds and notebooks on a Kubernetes cluster."""

from sessions.backends.kubernetes.backend import KubernetesBackend

__all__ = ["KubernetesBackend"]
