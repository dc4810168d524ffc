"""Keep the sign-ins that last: a row per browser, with what is needed to ask its provider again.

A row and the browser's portal session end together. The worker calls `probe_providers` every few
minutes to see whether each provider is there. While one is away, none of its people can press Keep:
`sessions.culling.policy` reads since when they could without a break, and the health page says
which provider does not answer.

While somebody is signed in, `refresh` asks their provider again whether it still stands for them.
`sessions.watch.reconcile` looks for sign-ins that are due and has the worker call it. A clear no
ends the sign-in; a missing answer ends nothing until ``User.vouched_until`` has passed.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from itertools import chain

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session as PortalSession
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from keys import sealing
from keys.sealing import UnsealError, unseal
from portal.models import SignIn, User
from sessions.culling.policy import OUTAGE, heartbeat_name
from sessions.gateway import tickets
from sessions.models import Condition, Heartbeat
from sessions.models.operations import SIGN_IN_CONDITION

from . import client, people
from .client import Client, Tokens, revoke
from .errors import (
    AccountNotAllowed,
    ProviderRefused,
    ProviderUnavailable,
    UnverifiedResponse,
    unverified_response,
)
from .provider import Provider

REFRESH_TOKEN = "refresh-token"  # noqa: S105  a purpose, for `keys.sealing`
ID_TOKEN = "id-token"  # noqa: S105
PROVIDER_KEY = "oidc"
"""Key in the browser's session for the provider, and for the id token that signing out needs."""


def record_sign_in(
    user: User, provider: Provider, browser: SessionBase, tokens: Tokens, previous_key: str | None
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
    )


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
        revoke(provider, sealing.unseal(row.sealed, REFRESH_TOKEN))
    except sealing.UnsealError:
        return


def probe_providers() -> None:
    """Record which providers answer now, and note in one condition which do not."""
    away = []
    for provider in settings.OIDC_PROVIDERS.values():
        if _is_available(provider):
            Heartbeat.objects.beat(heartbeat_name(provider.issuer), within=OUTAGE)
        else:
            away.append(provider.slug)
    problem = f"no response from {', '.join(away)}" if away else ""
    Condition.objects.record(SIGN_IN_CONDITION, problem)


def _is_available(provider: Provider) -> bool:
    """Return whether the provider gives what a sign-in needs first: its description or its keys."""
    try:
        if provider.is_set_by_hand:
            Client(provider).keys()
        else:
            client.fetch_metadata(provider)
    except ProviderUnavailable:
        return False
    return True


LEASE = timedelta(seconds=60)
"""Time that a task has to ask; the timeouts of its calls add up to less."""

log = logging.getLogger(__name__)


def refresh(pk: int) -> None:
    """Ask about one sign-in if it is due.

    Whoever moves its due time first asks: many providers take a refresh token that is used twice
    for stolen.
    """
    if not SignIn.objects.due().filter(pk=pk).update(due=timezone.now() + LEASE):
        return
    row = SignIn.objects.select_related("user").filter(pk=pk).first()
    if row is None:
        return
    provider = settings.OIDC_PROVIDERS.get(row.provider)
    if not is_still_signed_in(row):
        row.delete()
        revoke_token(row)
    elif provider and row.sealed:
        _refresh_from_provider(row, provider)
    else:  # no provider to ask: the session and `vouched_until` expire by themselves
        _postpone(row, _next())


def _refresh_from_provider(row: SignIn, provider: Provider) -> None:
    try:
        client = Client(provider)
        tokens = client.refresh(unseal(row.sealed, REFRESH_TOKEN))
        _store_refresh_token(row, provider, tokens)
        _apply_claims(row.user, provider, client, tokens)
    except ProviderRefused:
        _end_refused(row)
    except AccountNotAllowed as no:
        log.info("%s: %s may no longer use this portal", provider.slug, no.account)
    except ProviderUnavailable:
        _postpone_provider(row)
    except UnverifiedResponse:
        _postpone(row, _soon())
    except UnsealError:
        log.exception("sign-in %d was encrypted with a key that is no longer available", row.pk)
        _postpone(row, _next())
    else:
        SignIn.objects.filter(pk=row.pk).update(refreshed=timezone.now(), due=_next())


def _store_refresh_token(row: SignIn, provider: Provider, tokens: Tokens) -> None:
    """Store the new refresh token before anything else can fail: the old one may be used up."""
    if not tokens.refresh_token:
        return
    if not SignIn.objects.filter(pk=row.pk).update(sealed=seal_refresh_token(tokens)):
        revoke(provider, tokens.refresh_token)  # the person has signed out here meanwhile


def _apply_claims(user: User, provider: Provider, client: Client, tokens: Tokens) -> None:
    claims = client.claims(tokens)
    if not claims:
        people.vouch(user)
        return
    if claims["sub"] != user.subject or claims.get("iss", user.issuer) != user.issuer:
        log.error("%s: the response is about another person", provider.slug)
        raise unverified_response(provider)
    people.sync_user(provider, {**claims, "iss": user.issuer})


def _end_refused(row: SignIn) -> None:
    """End this sign-in, and have the person's others asked about at once.

    They tell whether the refusal was about the person or only about this browser. One that is due
    within a minute is left: it may be in progress.
    """
    now = timezone.now()
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=row.user_id)
        log.info("%s refused to refresh sign-in %d", row.provider, row.pk)
        end(row)
        others = SignIn.objects.filter(user=user).exclude(sealed="")
        others.filter(due__gt=now + LEASE).update(due=now)
        if not others.exists():
            end_all(user)


def _postpone_provider(row: SignIn) -> None:
    """Ask a provider that is away about nobody for a while.

    Hundreds of calls that each wait for their timeout would keep the worker from everything else.
    """
    waiting = Q(provider=row.provider, due__lte=timezone.now())
    SignIn.objects.filter(Q(pk=row.pk) | waiting).update(due=_soon())


def _postpone(row: SignIn, until: datetime) -> None:
    SignIn.objects.filter(pk=row.pk).update(due=until)


def _soon() -> datetime:
    return min(_next(), timezone.now() + LEASE)


def _next() -> datetime:
    return timezone.now() + timedelta(seconds=settings.OIDC_REFRESH_SECONDS)
