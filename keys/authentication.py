"""Authenticate by API token, and check the token's scope.

For the REST API, `HasScope` is a permission of every view (``DEFAULT_PERMISSION_CLASSES``); a
signed-in browser needs no scope. The gateway and the sockets call `Token.allows`, and answer with
the same words (`missing_scope_message`, `challenge`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.translation import gettext as _
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from .models import SCOPES, Token

if TYPE_CHECKING:  # a cycle: views import the permissions that the settings name
    from rest_framework.views import APIView
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed

from portal.models import User

MISSING_SCOPE_CODE = "token.scope"


class MissingScope(PermissionDenied):
    """403, with the missing scope also in the form of RFC 6750, section 3.1."""

    def __init__(self, scope: str) -> None:
        super().__init__(missing_scope_message(scope), MISSING_SCOPE_CODE)
        self.auth_header = challenge(scope)


class HasScope(BasePermission):
    """The permission of a token: ``read`` to look, ``launch`` to change. Raises `MissingScope`."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        scope = "read" if request.method in SAFE_METHODS else "launch"
        if isinstance(request.auth, Token) and not request.auth.allows(scope):
            raise MissingScope(scope)
        return True


def missing_scope_message(scope: str) -> str:
    """Return the message for a person whose token lacks the scope."""
    text = _(
        "This token does not have the scope “%(scope)s” (%(means)s). Create one that has "
        "it at %(where)s."
    )
    where = f"{settings.PORTAL_URL}/account/#tokens"
    return text % {"scope": scope, "means": SCOPES[scope], "where": where}


def challenge(scope: str) -> str:
    """Return the ``WWW-Authenticate`` header for a token that lacks the scope."""
    return f'Bearer error="insufficient_scope", scope="{scope}"'


def bearer_token(header: str) -> str:
    """Return the secret of an ``Authorization`` header, or "" if it is of another kind.

    Jupyter's clients write ``token``, others ``Bearer``.
    """
    kind, _blank, secret = header.partition(" ")
    return secret.strip() if kind.lower() in {"bearer", "token"} else ""


def is_still_valid(auth: object) -> bool:
    """Return whether the token of a long-running request has not been revoked or expired meanwhile.

    Return True for a request without a token.
    """
    return not isinstance(auth, Token) or Token.objects.valid().filter(pk=auth.pk).exists()


class TokenAuthentication(BaseAuthentication):
    """Authentication by API token; a token that does not work gets 401, code ``token.invalid``."""

    def authenticate(self, request: Request) -> tuple[User, Token] | None:
        secret = bearer_token(request.headers.get("Authorization", ""))
        if not secret:
            return None
        token = Token.objects.find_by_secret(secret)
        if token is None:
            raise AuthenticationFailed(
                _(
                    "This token is unknown, revoked or expired. Create another on your account "
                    "page."
                ),
                code="token.invalid",
            )
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class CookieAuthentication(SessionAuthentication):
    """Authentication of a signed-in browser, but not for a page of another origin.

    Pages of the origins in `PORTAL_CORS_ORIGINS` may read answers, so they have to send a token.
    """

    def authenticate(self, request: Request) -> Any:
        found = super().authenticate(request)
        is_own = request.headers.get("Sec-Fetch-Site") == "same-origin"
        if found and not is_own and request.headers.get("Origin") in settings.PORTAL_CORS_ORIGINS:
            text = _(
                "A page of another site has to send an API token. That somebody is signed in does "
                "not count there."
            )
            raise PermissionDenied(text, "token.needed")
        return found
