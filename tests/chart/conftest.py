"""Fixtures: the API server on the loopback that the tests of the back end use."""

from __future__ import annotations

from tests.kubernetes.conftest import api

__all__ = ["api"]
