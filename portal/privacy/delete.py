"""What a person has here for themselves alone, dropped when they are erased.

Beside `anonymize`, which is about what stays and is made to name nobody.
"""

from __future__ import annotations

from auditlog.context import disable_auditlog
from django.contrib.sessions.models import Session as PortalSession
from django.db import transaction

from keys.models import KeyPair, KnownHost, Token
from portal.models import Letter, SignIn, User
from quotas.models import Grant, LimitRequest, LimitSet
from sessions.gateway import tickets
from sessions.models import Idempotency


def drop(person: User) -> None:
    """Keys, tokens, sign-ins and letters go; of limits and requests the figures stay."""
    with transaction.atomic(), disable_auditlog():  # which would write down what is to be forgotten
        tickets.revoke_user(person)
        for model in (Token, KeyPair, SignIn, Idempotency, LimitSet):
            model._default_manager.filter(user=person).delete()
        KnownHost.objects.filter(first_user=person).update(first_user=None)
        Grant.objects.filter(user=person).update(reason="")
        _drop_letters(person)
        _empty_requests(person)
        _empty(person)


def drop_portal_sessions(person: User) -> None:
    """The sign-ins of their browsers. They open nothing by now; here they are removed."""
    rows = PortalSession.objects.only("session_key", "session_data").iterator()
    theirs = [
        row.session_key for row in rows if row.get_decoded().get("_auth_user_id") == str(person.pk)
    ]
    PortalSession.objects.filter(session_key__in=theirs).delete()


def _drop_letters(person: User) -> None:
    """Those to them, and those to staff about what they have asked for."""
    Letter.objects.filter(to=person).delete()
    for pk in LimitRequest.objects.filter(user=person).values_list("pk", flat=True):
        Letter.objects.filter(key__startswith=f"limit-request-{pk}-").delete()


def _empty_requests(person: User) -> None:
    """And nobody is asked to answer one any more."""
    theirs = LimitRequest.objects.filter(user=person)
    theirs.open().update(state=LimitRequest.State.WITHDRAWN)
    theirs.update(why="", answer="")


def _empty(person: User) -> None:
    """All of their row but the name, which is what tells that they are not erased yet."""
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
