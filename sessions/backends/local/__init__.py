"""Builds and notebooks on this machine; `backend` is the entry point."""

from .backend import LocalBackend

__all__ = ["LocalBackend"]
