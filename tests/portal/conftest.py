"""A mail server to send letters by."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.smtp import MailServer


@pytest.fixture
def server(settings) -> Iterator[MailServer]:
    """The portal's own; without this, no letter is written."""
    with MailServer() as server:
        settings.PORTAL_EMAIL_URL = f"smtp://127.0.0.1:{server.port}"
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        settings.DEFAULT_FROM_EMAIL = "Bindery <bindery@example.org>"
        yield server
