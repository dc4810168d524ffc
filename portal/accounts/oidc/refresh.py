"""Ask identity providers whether they are there, and whether they still stand for a person.

The worker calls `probe_providers` every few minutes. While a provider is away, none of its people
can press Keep: `sessions.culling.policy` reads since when they could without a break, and the
health page says which provider does not answer.

While somebody is signed in, `refresh` asks their provider again whether it still stands for them.
`sessions.watch.reconcile` looks for sign-ins that are due and has the worker call it. A clear no
ends the sign-in; a missing answer ends nothing until ``User.vouched_until`` has passed.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from keys.sealing import UnsealError, unseal
from portal.models import SignIn, User
from sessions.culling.policy import OUTAGE, heartbeat_name
from sessions.models import Condition, Heartbeat
from sessions.models.operations import SIGN_IN_CONDITION

from . import client, people, signins
from .client import Client, Tokens, revoke
from .errors import (
    AccountNotAllowed,
    ProviderRefused,
    ProviderUnavailable,
    UnverifiedResponse,
    unverified_response,
)
from .provider import Provider

LEASE = timedelta(seconds=60)
"""Time that a task has to ask; the timeouts of its calls add up to less."""

log = logging.getLogger(__name__)


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
    if not signins.is_still_signed_in(row):
        row.delete()
        signins.revoke_token(row)
    elif provider and row.sealed:
        _refresh_from_provider(row, provider)
    else:  # no provider to ask: the session and `vouched_until` expire by themselves
        _postpone(row, _next())


def _refresh_from_provider(row: SignIn, provider: Provider) -> None:
    try:
        client = Client(provider)
        tokens = client.refresh(unseal(row.sealed, signins.REFRESH_TOKEN))
        _store_refresh_token(row, provider, tokens)
        _apply_claims(row, provider, client, tokens)
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
    if not SignIn.objects.filter(pk=row.pk).update(sealed=signins.seal_refresh_token(tokens)):
        revoke(provider, tokens.refresh_token)  # the person has signed out here meanwhile


def _apply_claims(row: SignIn, provider: Provider, client: Client, tokens: Tokens) -> None:
    user = row.user
    claims = client.claims(tokens)
    if not claims:
        people.vouch(user)
        return
    if claims["sub"] != user.subject or claims.get("iss", user.issuer) != user.issuer:
        log.error("%s: the response is about another person", provider.slug)
        raise unverified_response(provider)
    user = people.sync_user(provider, {**claims, "iss": user.issuer})
    missing = signins.groups_missing(user, provider, claims)
    SignIn.objects.filter(pk=row.pk).exclude(groups_missing=missing).update(groups_missing=missing)


def _end_refused(row: SignIn) -> None:
    """End this sign-in, and have the person's others asked about at once.

    They tell whether the refusal was about the person or only about this browser. One that is due
    within a minute is left: it may be in progress. If the person has signed out meanwhile, here or
    at the provider, that is what the provider refused to refresh.
    """
    now = timezone.now()
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=row.user_id)
        if SignIn.objects.select_for_update().filter(pk=row.pk).first() is None:
            return
        log.info("%s refused to refresh sign-in %d", row.provider, row.pk)
        signins.end(row)
        others = SignIn.objects.filter(user=user).exclude(sealed="")
        others.filter(due__gt=now + LEASE).update(due=now)
        if not others.exists():
            signins.end_all(user)


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
