"""The worker and watch fixtures of `tests/sessions`."""

from tests.sessions.conftest import bring_up, git, settled, url, watch, worker

__all__ = ["bring_up", "git", "settled", "url", "watch", "worker"]
