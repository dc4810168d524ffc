"""Which host is a notebook's and which the portal's, and who may open the portal's sockets."""

from __future__ import annotations

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from keys.models import Token
from sessions.gateway import hosts

pytestmark = pytest.mark.one_database  # about what is sent, not what is stored


@pytest.mark.parametrize(
    ("host", "label"),
    [
        ("x-aaaaaaaa.apps.example", "x-aaaaaaaa"),
        ("X-AAAAAAAA.Apps.Example:8000", "x-aaaaaaaa"),
        ("x.apps.example.", "x"),
        ("a.b.apps.example", "a.b"),
        (".apps.example", ""),
        ("apps.example", None),
        ("portal.apps.example", None),
        ("PORTAL.apps.example:81", None),
        ("evilapps.example", None),
        ("x.apps.example.evil", None),
        ("[::1]:8000", None),
        ("", None),
    ],
)
def test_a_notebooks_label_is_read_from_its_host(settings, host, label):
    settings.PORTAL_GATEWAY_DOMAIN = "apps.example:8443"
    settings.PORTAL_URL = "https://portal.apps.example"
    assert hosts.label_of(host) == label


def test_origins_are_written_as_in_browsers(settings):
    settings.GATEWAY_SCHEME, settings.PORTAL_GATEWAY_DOMAIN = "https", "apps.example:443"
    assert hosts.origin_of("x") == "https://x.apps.example"
    assert hosts.origin("http://LOCALHOST:8000/x") == "http://localhost:8000"


def test_the_portal_answers_only_on_its_own_host(port, backend):
    def ask(host: str, **headers: str) -> httpx.Response:
        fields = {"Host": host, **headers}
        return httpx.get(f"http://127.0.0.1:{port}/api/v1/me/", headers=fields, timeout=10)

    assert ask(f"localhost:{port}").json()["code"] == "not_authenticated"
    assert ask(f"x-aaaaaaaa.localhost:{port}").json()["code"] == "gateway.sign-in"
    assert ask(f"a.b.localhost:{port}").json()["code"] == "gateway.not-found"
    forwarded = ask(f"localhost:{port}", **{"X-Forwarded-Host": f"x-aaaaaaaa.localhost:{port}"})
    assert forwarded.json()["code"] == "not_authenticated"


def handshake(port: int, path: str = "/ws/projects/", **headers: str) -> int:
    """Return the status with which a socket of the portal answers a handshake."""
    try:
        with connect(f"ws://127.0.0.1:{port}{path}", additional_headers=headers):
            return 101
    except InvalidStatus as refusal:
        return refusal.response.status_code


def test_the_portals_sockets_accept_its_own_origin_and_tokens(ada, as_ada, port, settings):
    cookie = f"{settings.SESSION_COOKIE_NAME}={as_ada.session.session_key}"
    token = f"Bearer {Token.objects.issue(ada, 'test')[1]}"
    own = f"http://localhost:{port}"
    assert handshake(port, Origin=own, Cookie=cookie) == 101
    assert handshake(port, Authorization=token) == 101
    for origin in ("null", "http://evil.example", f"http://x-aaaaaaaa.localhost:{port}"):
        assert handshake(port, Origin=origin, Cookie=cookie) == 403
        assert handshake(port, Origin=origin, Authorization=token) == 403
    assert handshake(port, Cookie=cookie) == 403


def test_an_unknown_socket_path_is_refused(port):
    assert handshake(port, "/ws/nothing/", Origin=f"http://localhost:{port}") == 403
