"""The worker and watch of the tests of sessions."""

from tests.sessions.conftest import bring_up, git, settled, url, watch, worker

__all__ = ["bring_up", "git", "settled", "url", "watch", "worker"]
