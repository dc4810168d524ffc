"""A provider that keeps to the protocol until a test makes it lie.

    with Hostile() as provider:
        settings.OIDC_PROVIDERS = {"evil": provider.entry("evil")}
        code, state = provider.agree(client.get("/oidc/evil/sign-in/").url)
        client.get("/oidc/evil/callback/", {"code": code, "state": state})

``forge`` makes the id token from the claims that an honest provider would sign; ``answers`` maps a
path to the answer to give there instead.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Callable
from functools import cache
from http.server import BaseHTTPRequestHandler
from typing import Any, Self
from urllib.parse import parse_qs, parse_qsl, urlsplit

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from portal.accounts.oidc.provider import Provider
from tests.threadserver import ThreadServer

CLIENT = "portal"
SECRET = "a secret of provider and portal, for tests"
Claims = dict[str, Any]

A_TOKEN = re.compile(r"eyJ[\w-]{8,}\.")
"""The beginning of every signed token: JSON in base64, up to its first dot. No random secret has a
dot."""


@cache
def key(of: str) -> rsa.RSAPrivateKey:
    """Return the key with this owner, made once because that takes longer than most tests."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def part(value: object) -> str:
    plain = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(plain).decode().rstrip("=")


def by_secret(claims: Claims, secret: bytes) -> str:
    """Sign with a shared secret, by hand: libraries refuse to do so with a public key."""
    text = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': 'first'})}.{part(claims)}"
    return f"{text}.{part(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"


def public_text(of: Hostile) -> bytes:
    return of.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


class Hostile:
    def __init__(self) -> None:
        self.key = key("provider")
        self.person: Claims = {"sub": "1", "preferred_username": "ada"}
        self.forge: Callable[[Claims], object] = self.sign
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.meanwhile: dict[str, Callable[[], object]] = {}
        self.asked: list[str] = []
        self._agreed: dict[str, dict[str, str]] = {}

    def __enter__(self) -> Self:
        self._server = ThreadServer(type("", (_Desk,), {"of": self}))
        self.issuer = f"http://{self._server.address}"
        self._server.__enter__()
        return self

    def __exit__(self, *why: object) -> None:
        self._server.__exit__(*why)

    def entry(self, slug: str, **more: Any) -> Provider:
        """Return the provider's entry for the portal's settings."""
        return Provider(
            slug=slug,
            name=slug.title(),
            client_id=CLIENT,
            client_secret=SECRET,
            issuer=self.issuer,
            **more,
        )

    def agree(self, address: str) -> tuple[str, str]:
        """Return the code and state that a browser would bring back from ``address``."""
        asked = dict(parse_qsl(urlsplit(address).query))
        code = secrets.token_urlsafe(8)
        self._agreed[code] = asked
        return code, asked["state"]

    def claims(self, nonce: str | None) -> Claims:
        now = int(time.time())
        about = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300}
        return {**about, **self.person, **({"nonce": nonce} if nonce else {})}

    def sign(self, claims: Claims, **header: Any) -> str:
        return jwt.encode(claims, self.key, "RS256", {"kid": "first", **header})

    def answer(self, path: str, form: dict[str, str]) -> tuple[int, Any]:
        if path == "/.well-known/openid-configuration":
            return 200, self._description()
        if path == "/jwks":
            return 200, {"keys": [self.public()]}
        if path == "/me":
            return 200, self.person
        return self._tokens(form) if path == "/token" else (404, {})

    def public(self, of: rsa.RSAPrivateKey | None = None) -> dict[str, Any]:
        plain: dict[str, Any] = jwt.algorithms.RSAAlgorithm.to_jwk(
            (of or self.key).public_key(), as_dict=True
        )
        return {**plain, "kid": "first", "use": "sig", "alg": "RS256"}

    def _description(self) -> dict[str, Any]:
        ways = {"authorization": "auth", "token": "token", "userinfo": "me", "end_session": "out"}
        return {
            "issuer": self.issuer,
            "jwks_uri": f"{self.issuer}/jwks",
            **{f"{name}_endpoint": f"{self.issuer}/{way}" for name, way in ways.items()},
        }

    def _tokens(self, form: dict[str, str]) -> tuple[int, Any]:
        asked = self._agreed.pop(form.get("code", ""), None)  # good once
        if asked is None or _challenge(form.get("code_verifier", "")) != asked["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        token = self.forge(self.claims(asked["nonce"]))
        more = {} if token is None else {"id_token": token}
        return 200, {"access_token": "a", "token_type": "Bearer", "refresh_token": "r", **more}


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


class _Desk(BaseHTTPRequestHandler):
    of: Hostile

    def do_GET(self) -> None:
        self._reply({})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self._reply({name: values[0] for name, values in parse_qs(body).items()})

    def _reply(self, form: dict[str, str]) -> None:
        path = urlsplit(self.path).path
        self.of.asked.append(path)
        self.of.meanwhile.get(path, int)()
        if path in self.of.answers:
            status, body = self.of.answers[path]
        else:
            status, answer = self.of.answer(path, form)
            body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""
