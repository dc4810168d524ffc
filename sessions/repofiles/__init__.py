"""What the portal does with the files of repositories, for programs without Django: keepers of the
local back end import it, and on Kubernetes its text runs in pods."""

from __future__ import annotations

from .merge import program

__all__ = ["program"]
