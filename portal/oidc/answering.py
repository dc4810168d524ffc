"""Whether the providers are there, by which people sign in: asked by the worker every few minutes.

While one is not, none of its people can press Keep: `sessions.unbroken` reads here since when they
could without a break, and health says which does not answer.
"""

from __future__ import annotations

from django.conf import settings

from portal.oidc import discovery
from portal.oidc.calls import Client
from portal.oidc.problems import ProviderAway
from portal.oidc.provider import Provider
from sessions.conditions import SIGN_IN
from sessions.models import Condition, Heartbeat
from sessions.unbroken import OUTAGE, sign_of


def ask() -> None:
    """Note of each provider that it is there now, and in one condition which are not."""
    away = []
    for provider in settings.OIDC_PROVIDERS.values():
        if _answers(provider):
            Heartbeat.objects.beat(sign_of(provider.issuer), within=OUTAGE)
        else:
            away.append(provider.slug)
    problem = f"no answer of {', '.join(away)}" if away else ""
    Condition.objects.note(SIGN_IN, problem)


def _answers(provider: Provider) -> bool:
    """Whether it says what a sign-in needs first: where to go, or what its tokens are signed by."""
    try:
        if provider.is_set_by_hand:
            Client(provider).keys()
        else:
            discovery.fetched(provider)
    except ProviderAway:
        return False
    return True
