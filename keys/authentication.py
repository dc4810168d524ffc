"""Authenticate by API token, and check the token's scope.

What a token must be for, to do what is asked with it; whoever is signed in needs none.

For the REST API as a permission that stands before every view (``DEFAULT_PERMISSION_CLASSES``);
the gateway and the sockets ask `Token.allows` and say the same words.

Who stands behind ``Authorization: Bearer <token>``; for the REST API and for sockets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.translation import gettext as _
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from .models import SCOPES, Token

if TYPE_CHECKING:  # views need the permissions that the settings name
    from rest_framework.views import APIView
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed

from portal.models import User

CODE = "token.scope"


class MissingScope(PermissionDenied):
    """403, with what is missing also in the form of RFC 6750, section 3.1."""

    def __init__(self, scope: str) -> None:
        super().__init__(lacks(scope), CODE)
        self.auth_header = challenge(scope)


class HasScope(BasePermission):
    """``read`` to look, ``launch`` to change. Raises `MissingScope`."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        scope = "read" if request.method in SAFE_METHODS else "launch"
        if isinstance(request.auth, Token) and not request.auth.allows(scope):
            raise MissingScope(scope)
        return True


def lacks(scope: str) -> str:
    """What somebody is told whose token is not for this."""
    text = _(
        "This token has not the scope “%(scope)s” (%(means)s). Make one that has it at %(where)s."
    )
    where = f"{settings.PORTAL_URL}/account/#tokens"
    return text % {"scope": scope, "means": SCOPES[scope], "where": where}


def challenge(scope: str) -> str:
    """The same for a program, in ``WWW-Authenticate``."""
    return f'Bearer error="insufficient_scope", scope="{scope}"'


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
