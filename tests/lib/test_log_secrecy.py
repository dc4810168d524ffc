"""No secret gets into the log, in either form, however it is logged and at any level."""

from __future__ import annotations

import logging
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest

from keys import keypairs
from keys.models import Token
from portal.lib.logs.formats import secret_masker
from sessions.gateway import tickets
from sessions.models import Session
from tests.logs import written
from tests.past_sessions import ran

log = logging.getLogger("tests.secrecy")
pytestmark = pytest.mark.django_db
FORMS = pytest.mark.parametrize("form", ["line", "json"])


def private_key(session: Session) -> str:
    return keypairs.private_key(keypairs.ensure(session.project.owner))


def api_token(session: Session) -> str:
    return Token.objects.issue(session.project.owner, "laptop")[1]


def server_token(session: Session) -> str:
    return session.server_token


def entrance(session: Session) -> str:
    return tickets.issue_ticket(session.project.owner, session.project, "browser", "entrant")


def ticket(session: Session) -> str:
    return parse_qs(urlsplit(entrance(session)).query)["ticket"][0]


SECRETS = pytest.mark.parametrize("secret_of", [private_key, api_token, server_token, ticket])


@pytest.fixture
def session(ada) -> Session:
    return ran(ada, None, None)


def ways(secret: str) -> list[Callable[[], None]]:
    """Return ways in which code and libraries could log the secret."""

    def by_error() -> None:
        try:
            int(secret)
        except ValueError:
            log.exception("it failed")

    return [
        lambda: log.debug(secret),
        lambda: log.debug("got %s", secret),
        lambda: log.debug("got %r", {"key": secret}),
        lambda: log.debug("< authorization: Bearer %s", secret),
        lambda: log.debug("headers: %s", [(b"authorization", f"token {secret}".encode())]),
        lambda: log.debug("> cookie: bindery-8000=%s; other=1", secret),
        lambda: log.debug("GET /api/contents?token=%s&x=1 HTTP/1.1", secret),
        lambda: log.debug("postgres://bindery:%s@host/name is away", secret),
        by_error,
    ]


@FORMS
@SECRETS
def test_secret_is_masked_however_it_is_logged(session, form, secret_of):
    secret = secret_of(session)
    kept = [line for line in secret.splitlines() if len(line) > 20 and "PRIVATE KEY" not in line]
    with written(form) as output:
        for log_it in ways(secret):
            log_it()
    text = output.getvalue()
    assert text.count("…") >= len(ways(secret))
    assert [line for line in kept if line in text] == []


@FORMS
def test_query_of_a_notebook_entry_address_is_masked(session, form):
    address = entrance(session)
    with written(form) as output:
        log.info('"WebSocket %s" [accepted]', address)
    assert urlsplit(address).query not in output.getvalue()
    assert urlsplit(address).path in output.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "commit 5f0c2a915f0c2a915f0c2a915f0c2a915f0c2a91 of github.com/ada/flowers",
        "sha256:" + "0123456789abcdef" * 4,
        "SHA256:uNiVztksCsDhcc0u9e8BrrJXVGDzbBdMBBCCXXCCXXA",
        "ada-a-repository-with-a-long-name-aaaaaaaa1",  # of 43 characters
        "the token was revoked; is it 3? yes",
        "unix:/run/bindery/17 does not answer",
        "https://github.com/ada/flowers.git: not found",
    ],
)
def test_text_without_secrets_is_unchanged(text):
    assert secret_masker()(text) == text


def test_configured_secrets_are_masked_by_their_value():
    mask = secret_masker(["hunter22", "no", ""])
    assert mask("said hunter22, no") == "said …, no"
