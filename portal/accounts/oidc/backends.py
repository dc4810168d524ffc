"""Authentication backends: with a provider's answer, and with a password where that is allowed.

Both let in only people who may enter at all (`User.may_enter`), checked again at each request.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.utils.translation import gettext as _

from portal.models import User
from sessions.errors import NotAllowed

from . import people
from .client import Client
from .errors import unverified_response
from .flow import AuthorizationResponse, callback_url


class _AccessBackend(ModelBackend):
    """Base of both backends; `get_user` asks it about whoever is signed in, at each request."""

    def user_can_authenticate(self, user: User | AnonymousUser | None) -> bool:
        return isinstance(user, User) and user.may_enter


class Password(_AccessBackend):
    """Sign in with a password of this portal, if the site allows that."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        if not settings.PORTAL_PASSWORD_SIGN_IN:
            return None
        return super().authenticate(request, username, password, **kwargs)


class ByProvider(_AccessBackend):
    """Sign in with an identity provider's answer."""

    def authenticate(  # type: ignore[override]  # only called with an answer
        self, request: HttpRequest | None, *, response: AuthorizationResponse
    ) -> User:
        """Return the person, and leave the tokens and the claims in ``response``.

        Raises the errors of `errors`, and `NotAllowed` for an account that is closed here.
        """
        client = Client(response.provider)
        tokens = client.exchange_code(
            response.code, response.verifier, callback_url(response.provider)
        )
        if not tokens.id_token:
            raise unverified_response(response.provider)
        claims = client.claims(tokens, response.nonce)
        user = people.sync_user(response.provider, claims)
        if not user.may_enter:
            raise NotAllowed(
                "oidc.closed",
                _("This account is disabled. Whoever runs this portal can enable it again."),
            )
        response.tokens, response.claims = tokens, claims
        return user
