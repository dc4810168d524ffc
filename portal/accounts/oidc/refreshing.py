"""Check that providers answer, and refresh sign-ins while they last.

The worker calls `ask` every few minutes to see whether each provider is there. While one is away,
none of its people can press Keep: `sessions.culling.continuity` reads since when they could without
a break, and the health page says which provider does not answer.

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

from keys.sealing import CannotOpen, open_sealed
from portal.models import SignIn, User
from sessions.culling.continuity import OUTAGE, sign_of
from sessions.models import Condition, Heartbeat
from sessions.models.operations import SIGN_IN

from . import calls, people, signins
from .calls import Client, Tokens, revoke
from .problems import NotLetIn, ProviderAway, Refused, Unproven, unproven
from .provider import Provider


def ask() -> None:
    """Record which providers answer now, and note in one condition which do not."""
    away = []
    for provider in settings.OIDC_PROVIDERS.values():
        if _answers(provider):
            Heartbeat.objects.beat(sign_of(provider.issuer), within=OUTAGE)
        else:
            away.append(provider.slug)
    problem = f"no answer of {', '.join(away)}" if away else ""
    Condition.objects.note(SIGN_IN, problem)


def _answers(provider: Provider) -> bool:
    """Return whether the provider gives what a sign-in needs first: its description or its keys."""
    try:
        if provider.is_set_by_hand:
            Client(provider).keys()
        else:
            calls.fetched(provider)
    except ProviderAway:
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
    if not signins.lasts(row):
        row.delete()
        signins.revoke_token(row)
    elif provider and row.sealed:
        _ask(row, provider)
    else:  # nobody to ask: the session and `vouched_until` expire by themselves
        _postpone(row, _next())


def _ask(row: SignIn, provider: Provider) -> None:
    try:
        client = Client(provider)
        tokens = client.refresh(open_sealed(row.sealed, signins.REFRESH_TOKEN))
        _keep(row, provider, tokens)
        _take(row.user, provider, client, tokens)
    except Refused:
        _refuse(row)
    except NotLetIn as no:
        log.info("%s does not let %s in any more", provider.slug, no.account)
    except ProviderAway:
        _pause(row)
    except Unproven:
        _postpone(row, _soon())
    except CannotOpen:
        log.exception("sign-in %d was sealed with a key that is not there any more", row.pk)
        _postpone(row, _next())
    else:
        SignIn.objects.filter(pk=row.pk).update(refreshed=timezone.now(), due=_next())


def _keep(row: SignIn, provider: Provider, tokens: Tokens) -> None:
    """Store the new refresh token before anything else can fail: the old one may be used up."""
    if not tokens.refresh_token:
        return
    if not SignIn.objects.filter(pk=row.pk).update(sealed=signins.sealed(tokens)):
        revoke(provider, tokens.refresh_token)  # signed out here in the meantime


def _take(user: User, provider: Provider, client: Client, tokens: Tokens) -> None:
    claims = client.claims(tokens)
    if not claims:
        people.vouch(user)
        return
    if claims["sub"] != user.subject or claims.get("iss", user.issuer) != user.issuer:
        log.error("%s answered about somebody else than asked", provider.slug)
        raise unproven(provider)
    people.admit(provider, {**claims, "iss": user.issuer})


def _refuse(row: SignIn) -> None:
    """End this sign-in, and have the person's others asked about at once.

    They tell whether the refusal was about the person or only about this browser. One that is due
    within a minute is left: it may be in progress.
    """
    now = timezone.now()
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=row.user_id)
        log.info("%s does not stand for sign-in %d any more", row.provider, row.pk)
        signins.end(row)
        others = SignIn.objects.filter(user=user).exclude(sealed="")
        others.filter(due__gt=now + LEASE).update(due=now)
        if not others.exists():
            signins.end_all(user)


def _pause(row: SignIn) -> None:
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
