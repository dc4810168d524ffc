"""Delete what belongs to a person alone when they are erased.

Its neighbour `anonymize` handles what stays and must no longer name them.
"""

from __future__ import annotations

from auditlog.context import disable_auditlog
from django.contrib.sessions.models import Session as PortalSession
from django.db import transaction

from keys.models import KeyPair, KnownHost, Token
from portal.models import Letter, SignIn, User
from quotas.models import Grant, LimitRequest, LimitSet
from sessions.gateway import tickets
from sessions.models import Idempotency, Preview


def delete_personal_data(person: User) -> None:
    """Delete keys, tokens, sign-ins and letters; of limits and requests, keep the figures."""
    with transaction.atomic(), disable_auditlog():  # the audit would record it all
        tickets.revoke_user(person)
        for model in (Token, KeyPair, SignIn, Idempotency, LimitSet):
            model._default_manager.filter(user=person).delete()
        Preview.objects.filter(owner=person).delete()
        KnownHost.objects.filter(first_user=person).update(first_user=None)
        Grant.objects.filter(user=person).update(reason="")
        _delete_letters(person)
        _empty_requests(person)
        _empty_user(person)


def delete_portal_sessions(person: User) -> None:
    """Delete the sessions of the person's browsers, which give no access by then."""
    rows = PortalSession.objects.only("session_key", "session_data").iterator()
    theirs = [
        row.session_key for row in rows if row.get_decoded().get("_auth_user_id") == str(person.pk)
    ]
    PortalSession.objects.filter(session_key__in=theirs).delete()


def _delete_letters(person: User) -> None:
    """Delete letters to the person, and letters to staff about the person's requests."""
    Letter.objects.filter(to=person).delete()
    for pk in LimitRequest.objects.filter(user=person).values_list("pk", flat=True):
        Letter.objects.filter(key__startswith=f"limit-request-{pk}-").delete()


def _empty_requests(person: User) -> None:
    """Empty the person's limit requests, and withdraw the open ones so that nobody answers them."""
    theirs = LimitRequest.objects.filter(user=person)
    theirs.open().update(state=LimitRequest.State.WITHDRAWN)
    theirs.update(why="", answer="")


def _empty_user(person: User) -> None:
    """Empty the person's row except for the name, which shows that they are not erased yet."""
    person.groups.clear()
    person.user_permissions.clear()
    User.objects.filter(pk=person.pk).update(
        first_name="",
        last_name="",
        email="",
        issuer="",
        subject="",
        claimed=[],
        vouched_until=None,
        last_login=None,
        password_given=None,
        password_chosen=None,
    )
