"""Keep the sign-ins that last: a row per browser, with what is needed to ask its provider again.

A row and the browser's portal session end together.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import chain

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session as PortalSession
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from keys import sealing
from portal.models import SignIn, User
from sessions.gateway import tickets

from .calls import Tokens, revoke
from .provider import Provider

REFRESH_TOKEN = "refresh-token"  # noqa: S105  a purpose, for `keys.sealing`
ID_TOKEN = "id-token"  # noqa: S105
KEPT = "oidc"
"""Key in the browser's session for the provider, and for the id token that signing out needs."""


def begin(
    user: User, provider: Provider, browser: SessionBase, tokens: Tokens, instead_of: str | None
) -> None:
    """Record that this provider opened this browser's session.

    ``instead_of`` is the session key that the browser had before. If the provider cannot be asked
    again, the session expires by itself after ``OIDC_SESSION_HOURS``.

    An earlier sign-in is dropped without revoking its token: at many providers that would end the
    new one, too.
    """
    key = str(browser.session_key)
    SignIn.objects.filter(browser__in=[instead_of or "", key]).delete()
    browser[KEPT] = [provider.slug, sealing.seal(tokens.id_token, ID_TOKEN)]
    hours = timedelta(hours=settings.OIDC_SESSION_HOURS)
    browser.set_expiry(None if tokens.refresh_token else hours)
    every = timedelta(seconds=settings.OIDC_REFRESH_SECONDS)
    SignIn.objects.create(
        user=user,
        provider=provider.slug,
        browser=key,
        sealed=sealed(tokens),
        due=timezone.now() + (every if tokens.refresh_token else hours),
    )


def sealed(tokens: Tokens) -> str:
    """Return the refresh token encrypted, as a row may hold it; "" if there is none."""
    return sealing.seal(tokens.refresh_token, REFRESH_TOKEN) if tokens.refresh_token else ""


def opened(browser: SessionBase) -> tuple[str, str] | None:
    """Return the provider of this browser's sign-in and its id token, or None without a provider.

    The id token is "" if it can no longer be decrypted.
    """
    if KEPT not in browser:
        return None
    slug, hidden = browser[KEPT]
    try:
        return slug, sealing.open_sealed(hidden, ID_TOKEN)
    except sealing.CannotOpen:
        return slug, ""


def lasts(row: SignIn) -> bool:
    """Return whether the row's browser is still signed in here, as this person."""
    kept = PortalSession.objects.filter(session_key=row.browser, expire_date__gt=timezone.now())
    data = session.get_decoded() if (session := kept.first()) else {}
    good = chain([row.user.get_session_auth_hash()], row.user.get_session_auth_fallback_hash())
    given = str(data.get(HASH_SESSION_KEY, ""))
    return data.get(SESSION_KEY) == str(row.user_id) and any(
        constant_time_compare(given, each) for each in good
    )


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
        revoke(provider, sealing.open_sealed(row.sealed, REFRESH_TOKEN))
    except sealing.CannotOpen:
        return
