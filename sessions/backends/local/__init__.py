"""Builds and notebooks on this machine; `backend` is the way in."""

from .backend import LocalBackend

__all__ = ["LocalBackend"]
