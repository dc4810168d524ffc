"""Who stands behind ``Authorization: Bearer <token>``; for the REST API and for sockets."""

from __future__ import annotations

from django.utils.translation import gettext as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from keys.models import Token
from portal.models import User


def bearer(header: str) -> str:
    """The secret of an ``Authorization`` header, or "" when it is of another kind."""
    kind, _blank, secret = header.partition(" ")
    return secret.strip() if kind.lower() == "bearer" else ""


def still_good(auth: object) -> bool:
    """Whether the token of a request that is being answered for long has not been revoked, nor
    expired, meanwhile. Who came without one has none that could be."""
    return not isinstance(auth, Token) or Token.objects.good().filter(pk=auth.pk).exists()


class TokenAuthentication(BaseAuthentication):
    """Answers 401, with the code ``token.invalid``, to a secret that is not good (any more)."""

    def authenticate(self, request: Request) -> tuple[User, Token] | None:
        secret = bearer(request.headers.get("Authorization", ""))
        if not secret:
            return None
        token = Token.objects.of_secret(secret)
        if token is None:
            raise AuthenticationFailed(
                _("This token is unknown, revoked or expired. Make another on your account page."),
                code="token.invalid",
            )
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"
