"""The local back end keeps the contract of all back ends."""

from __future__ import annotations

from tests.backends.contract import BackendContract


class TestLocalBackend(BackendContract):
    pass
