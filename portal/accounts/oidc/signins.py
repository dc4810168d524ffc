"""Keep the sign-ins that last: a row per browser, with what is needed to ask its provider again.

A row and the browser's portal session end together. `refresh` asks the provider meanwhile.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session as PortalSession
from django.db import transaction
from django.utils import timezone

from keys import sealing
from portal.models import SignIn, User
from sessions.gateway import tickets
from sessions.gateway.authorize import is_session_of

from .claims import Claims, Missing, memberships
from .client import Tokens, revoke
from .provider import Provider

REFRESH_TOKEN = "refresh-token"  # noqa: S105  a purpose, for `keys.sealing`
ID_TOKEN = "id-token"  # noqa: S105
PROVIDER_KEY = "oidc"
"""Key in the browser's session for the provider, and for the id token that signing out needs."""


def record_sign_in(
    user: User,
    provider: Provider,
    browser: SessionBase,
    tokens: Tokens,
    previous_key: str | None,
    claims: Claims,
) -> None:
    """Record that this provider opened this browser's session.

    ``previous_key`` is the session key that the browser had before. If the provider cannot be asked
    again, the session expires by itself after ``OIDC_SESSION_HOURS``.

    An earlier sign-in is dropped without revoking its token: at many providers that would end the
    new one, too.
    """
    key = str(browser.session_key)
    SignIn.objects.filter(browser__in=[previous_key or "", key]).delete()
    browser[PROVIDER_KEY] = [provider.slug, sealing.seal(tokens.id_token, ID_TOKEN)]
    hours = timedelta(hours=settings.OIDC_SESSION_HOURS)
    browser.set_expiry(None if tokens.refresh_token else hours)
    every = timedelta(seconds=settings.OIDC_REFRESH_SECONDS)
    SignIn.objects.create(
        user=user,
        provider=provider.slug,
        browser=key,
        sealed=seal_refresh_token(tokens),
        due=timezone.now() + (every if tokens.refresh_token else hours),
        provider_session=session_digest(claims.get("sid")),
        groups_missing=groups_missing(user, provider, claims),
    )


def session_digest(session: object) -> str:
    """Return the form in which the provider's number of a session is kept; "" if it is none."""
    if not isinstance(session, str) or not session:
        return ""
    return hashlib.sha256(session.encode("utf-8", "replace")).hexdigest()


def groups_missing(user: User, provider: Provider, claims: Claims) -> str:
    """Return why the claims do not name all groups; "" where nothing depends on it."""
    missing = str(memberships(claims, settings.OIDC_POLICY, provider.prefix).missing)
    return missing if user.claimed or missing != Missing.ABSENT else ""


def seal_refresh_token(tokens: Tokens) -> str:
    """Return the refresh token encrypted, as a row may hold it; "" if there is none."""
    return sealing.seal(tokens.refresh_token, REFRESH_TOKEN) if tokens.refresh_token else ""


def provider_of_session(browser: SessionBase) -> tuple[str, str] | None:
    """Return the provider of this browser's sign-in and its id token, or None without a provider.

    The id token is "" if it can no longer be decrypted.
    """
    if PROVIDER_KEY not in browser:
        return None
    slug, hidden = browser[PROVIDER_KEY]
    try:
        return slug, sealing.unseal(hidden, ID_TOKEN)
    except sealing.UnsealError:
        return slug, ""


def is_still_signed_in(row: SignIn) -> bool:
    """Return whether the row's browser is still signed in here, as this person."""
    kept = PortalSession.objects.filter(session_key=row.browser, expire_date__gt=timezone.now())
    session = kept.first()
    return session is not None and is_session_of(row.user, session.get_decoded())


def end(row: SignIn) -> None:
    """Sign the row's browser out; its open connections close within seconds."""
    with transaction.atomic():
        PortalSession.objects.filter(session_key=row.browser).delete()
        tickets.revoke_browser(row.browser)
        row.delete()


def end_all(user: User) -> None:
    """End all access of a person whom the provider no longer stands for.

    Neither pages nor tokens work for them until it does so again.
    """
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(vouched_until=timezone.now())
        for row in SignIn.objects.filter(user=user):
            end(row)


def forget(browser: str | None) -> None:
    """Drop the sign-in of a browser that was signed out here, and revoke its refresh token."""
    for row in SignIn.objects.filter(browser=browser or ""):
        row.delete()
        revoke_token(row)


def revoke_token(row: SignIn) -> None:
    """Ask the provider to revoke the refresh token, if it is still configured and there is one."""
    provider = settings.OIDC_PROVIDERS.get(row.provider)
    if not provider or not row.sealed:
        return
    try:
        revoke(provider, sealing.unseal(row.sealed, REFRESH_TOKEN))
    except sealing.UnsealError:
        return
