"""Check the portal's own processes, the back end, the mail server and the identity providers.

The processes must be alive, do their work and have the same version. The back end reports its own
problems, once it is asked for everything that its work needs.

The mail server must accept a connection and, if set, the name and password. Each provider must
describe itself under the issuer that is set, sign with the algorithm we accept, and publish keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import requests
from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.utils.translation import gettext as _

from portal import VERSION
from portal.accounts.oidc.client import METADATA_KEYS, RESPONSE_ERRORS
from portal.accounts.oidc.idtoken import ALGORITHM
from portal.accounts.oidc.provider import Provider
from portal.health import checks
from portal.mail import outbox
from portal.models import Letter, SignIn
from sessions.backends import get_backend
from sessions.lifecycle import queue
from sessions.watch.conditions import describe_problem

from . import Finding, failure_reason, short_message

CHECKED_DIRECTLY = frozenset(
    {"database", "worker", "watch", "backend", "disk", "channel", "mail", "installation", "groups"}
)
"""Parts that are checked directly, here or by another check."""


def check_processes(patience: float) -> Iterator[Finding]:
    """Yield findings on watch, the worker and parts that no other check asks.

    ``patience``: seconds that a worker has to take a task.
    """
    states = checks.part_states()
    if states["watch"].problem:
        yield Finding(
            "doctor.watch",
            _("watch has not responded since %(since)s, so builds and notebooks are not monitored.")
            % {"since": f"{states['watch'].since:%Y-%m-%d %H:%M:%S %Z}"},
            _("Start it: `manage.py up` or `manage.py watch`. Its log says why it stopped."),
        )
    for part, state in states.items():
        if part not in CHECKED_DIRECTLY and state.problem and state.problem != checks.UNWATCHED:
            problem = describe_problem(part, state.problem)
            yield Finding(problem.id, problem.message, problem.hint)
    yield from _check_worker(queue.ping_worker(patience))


def _check_worker(version: str | None) -> Iterator[Finding]:
    if version is None:
        yield Finding(
            "doctor.worker",
            _("No worker is taking tasks: launches are accepted but do not proceed."),
            _("Start one: `manage.py up` or `manage.py qcluster`. Its log says why it stopped."),
        )
    elif version != VERSION:
        yield Finding(
            "doctor.versions",
            _("The worker runs version %(theirs)s, but this is %(ours)s.")
            % {"theirs": version, "ours": VERSION},
            _("Restart all parts of the portal with the same version."),
        )


def check_backend() -> Iterator[Finding]:
    """Yield the problems that the back end reports."""
    backend = get_backend()
    for problem in (*backend.problems(), *backend.examine()):
        yield Finding(problem.id, problem.message, problem.hint)


def check_mail(mail_to: str = "") -> Iterator[Finding]:
    """Yield a finding if the mail server takes no letters; with ``mail_to``, send one there."""
    if not outbox.is_mail_enabled():
        return
    try:
        with get_connection() as connection:
            if mail_to:
                _letter(mail_to, connection).send()
    except (OSError, ValueError) as error:
        yield Finding(
            "doctor.mail",
            _("The mail server does not accept emails from here: %(why)s.")
            % {"why": short_message(error)},
            _("Check PORTAL_EMAIL_URL, PORTAL_EMAIL_FROM and any firewalls on the way."),
        )


def check_letters() -> Iterator[Finding]:
    """Yield a finding if letters could not be sent."""
    if failed := Letter.objects.failed().count():
        yield Finding(
            "doctor.letters",
            _("Emails that could not be sent and are no longer retried: %(count)d.")
            % {"count": failed},
            _("“Letters” in the admin says why, and can send them again."),
            advice=True,
        )


def _letter(to: str, connection: BaseEmailBackend) -> EmailMessage:
    subject, text = (
        _("A test email from Bindery's doctor"),
        _("If you can read this, email works."),
    )
    return EmailMessage(
        subject, f"{text}\n\n{settings.PORTAL_URL}\n", settings.DEFAULT_FROM_EMAIL, [to],
        connection=connection,
    )  # fmt: skip


SECONDS = 5


def check_providers() -> Iterator[Finding]:
    """Yield findings on each identity provider."""
    for provider in settings.OIDC_PROVIDERS.values():
        try:
            yield from _check_provider(provider)
        except RESPONSE_ERRORS as error:
            why = _("%(name)s is not responding properly: %(why)s.")
            words = {"name": provider.name, "why": failure_reason(error)}
            hint = _("Nobody can sign in with it. Check OIDC_…_OP_ISSUER and the network.")
            yield Finding("doctor.provider", why % words, hint)
        yield from _check_groups(provider)


MAX_NAMED = 10


def _check_groups(provider: Provider) -> Iterator[Finding]:
    """Yield a finding if the provider's last answers did not name the groups of some people."""
    rows = SignIn.objects.filter(provider=provider.slug).exclude(groups_missing="")
    names = sorted(set(rows.values_list("user__username", flat=True)))
    if not names:
        return
    shown = ", ".join(names[:MAX_NAMED]) + (" …" if len(names) > MAX_NAMED else "")
    why = ", ".join(sorted(set(rows.values_list("groups_missing", flat=True))))
    message = _(
        "%(name)s does not say which groups %(count)d signed-in people are in (%(why)s): "
        "%(people)s. They keep the groups and roles that were known."
    )
    words = {"name": provider.name, "count": len(names), "why": why, "people": shown}
    hint = _(
        "Have it send only the groups assigned to this portal, or set OIDC_…_OP_GROUPS_ENDPOINT "
        "(docs/sign-in.md, “Groups that are not sent”)."
    )
    yield Finding("doctor.groups", message % words, hint, advice=True)


def _check_provider(provider: Provider) -> Iterator[Finding]:
    metadata: dict[str, Any] = {}
    if not provider.is_set_by_hand:
        where = f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration"
        metadata = _fetch_json(where)
        yield from _check_metadata(provider, metadata)
    keys = provider.endpoints.get("keys") or metadata.get(METADATA_KEYS["keys"], "")
    if not _fetch_json(keys).get("keys"):
        message = _("%(name)s publishes no keys at %(url)s, so its responses cannot be verified.")
        words = {"name": provider.name, "url": keys}
        yield Finding("doctor.provider-keys", message % words, _("Tell the provider's staff."))


def _check_metadata(provider: Provider, metadata: dict[str, Any]) -> Iterator[Finding]:
    if metadata.get("issuer") != provider.issuer:
        yield Finding(
            "doctor.issuer",
            _("%(name)s calls itself %(said)s instead of %(set)s, so nobody can sign in with it.")
            % {"name": provider.name, "said": metadata.get("issuer"), "set": provider.issuer},
            _("Set OP_ISSUER to exactly what it calls itself, with or without the final slash."),
        )
    offered = metadata.get("id_token_signing_alg_values_supported", [ALGORITHM])
    if ALGORITHM not in offered:
        yield Finding(
            "doctor.algorithm",
            _("%(name)s does not sign with %(algorithm)s, the only algorithm accepted here.")
            % {"name": provider.name, "algorithm": ALGORITHM},
            _("Ask its staff to enable %(algorithm)s for this portal.") % {"algorithm": ALGORITHM},
        )


def _fetch_json(url: str) -> dict[str, Any]:
    answer = requests.get(url, timeout=SECONDS)
    answer.raise_for_status()
    return dict(answer.json())
