"""The authentication backends: by a provider's answer, and by password where that is allowed.

Both let only those in who may enter at all (`User.may_enter`), at each request anew.
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
from .calls import Client
from .flow import Answer, callback
from .problems import unproven


class _WhoMayEnter(ModelBackend):
    """`get_user` asks this for each request of whoever is signed in."""

    def user_can_authenticate(self, user: User | AnonymousUser | None) -> bool:
        return isinstance(user, User) and user.may_enter


class Password(_WhoMayEnter):
    """With a password of this portal, where it has that form."""

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


class ByProvider(_WhoMayEnter):
    """With what an identity provider has answered."""

    def authenticate(  # type: ignore[override]  # only called with an answer
        self, request: HttpRequest | None, *, answer: Answer
    ) -> User:
        """The person; the tokens are left in ``answer``. Raises the errors of `problems`, and
        `NotAllowed` for an account that is closed here."""
        client = Client(answer.provider)
        tokens = client.redeem(answer.code, answer.verifier, callback(answer.provider))
        if not tokens.id_token:
            raise unproven(answer.provider)
        user = people.admit(answer.provider, client.claims(tokens, answer.nonce))
        if not user.may_enter:
            raise NotAllowed(
                "oidc.closed",
                _("This account is closed. Whoever runs this portal can open it again."),
            )
        answer.tokens = tokens
        return user
