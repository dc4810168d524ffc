"""How a browser gets from the portal to a notebook's host: a ticket, swapped for a cookie.

The two hosts share no cookie. So the portal, which knows who is there, sends the browser on
with a ticket: signed, good once and for `LIFE` seconds. Who may go on from there, request by
request, is `authorize`'s.

A ticket is for the browser that asked for it, as a code of OAuth is by its ``state``: it begins at
the notebook's host, which gives it a secret in a cookie (`begin`) and sends it to the portal with
the secret's digest; the portal puts the digest into the ticket. Whoever follows somebody else's
ticket has another secret or none, and is not let into somebody else's notebook.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote, urlencode

from django.contrib.sessions.models import Session as PortalSession
from django.core import signing
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.encoding import iri_to_uri
from django.utils.translation import gettext as _

from keys.models import digest
from portal.models import User
from sessions.errors import UserError
from sessions.gateway.hosts import ENTER
from sessions.models import Access, Project

LIFE = 30
UNUSED = timedelta(minutes=1)
SALT = "bindery.gateway.ticket"
LONGEST = 4000


class NotYours(UserError):
    """Somebody else's notebook: also staff, who see its page, do not work in it."""

    status = 403


@dataclass(frozen=True)
class Entry:
    """The secret for the cookie, and where to go on to."""

    cookie: str
    path: str


def begin(user: User, project: Project, path: str = "") -> str:
    """Return the address on the notebook's host where a browser begins. Raises `NotYours`."""
    _refuse_others(user, project)
    query = f"?{urlencode({'path': path})}" if path else ""
    return f"{project.notebook_url.rstrip('/')}{ENTER}{query}"


def issue(user: User, project: Project, session_key: str, entrant: str, path: str = "") -> str:
    """The address on the notebook's host that lets this browser in, once, within `LIFE`.

    ``session_key`` is the browser's portal session: the right ends with it. ``entrant`` is the
    digest of the secret that this browser holds on the notebook's host. ``path`` is where to go
    on to on that host; without it, the project's own file is opened. Raises `NotYours`.
    """
    _refuse_others(user, project)
    secret = secrets.token_urlsafe(32)
    Access.objects.create(user=user, project=project, browser=session_key, ticket=digest(secret))
    goes = destination(path) or _file(project.path)
    ticket = signing.dumps([secret, goes, entrant], salt=SALT)
    return f"{project.notebook_url.rstrip('/')}{ENTER}?{urlencode({'ticket': ticket})}"


def _refuse_others(user: User, project: Project) -> None:
    if project.owner_id != user.pk:
        raise NotYours("gateway.not-yours", _("Only its owner can open this notebook."))


def is_entrant(text: str) -> bool:
    """Whether this is the digest of a secret, as the gateway sends it along."""
    return re.fullmatch("[0-9a-f]{64}", text) is not None


def destination(path: str) -> str:
    """``path`` if it is one on the same host, fit for a ``Location``; otherwise ""."""
    safe = path.startswith("/") and not path.startswith(("//", ENTER)) and len(path) <= LONGEST
    return iri_to_uri(path) if safe and path.isprintable() and "\\" not in path else ""


def _file(path: str) -> str:
    tidy = path.strip("/")
    return f"/lab/tree/{quote(tidy)}" if tidy else "/lab"


def redeem(ticket: str, label: str, entrant: str, held: str = "") -> Entry | None:
    """Swap a ticket for a cookie on the host ``label``; None if it is not good (any more), or not
    this browser's. ``entrant`` is the digest of the secret that it holds.

    ``held`` is a cookie that the browser has there already: a good one stays, so that what
    is open under it stays open.
    """
    try:
        secret, path, asked = signing.loads(ticket, salt=SALT, max_age=LIFE)
    except (signing.BadSignature, ValueError):  # or one of an earlier version
        return None
    if not entrant or not constant_time_compare(asked, entrant):
        return None
    cookie = secrets.token_urlsafe(32)
    project = Project.objects.existing().filter(name=label).first()
    # Of columns of the row alone: PostgreSQL would not look at a joined one again after it has
    # waited for somebody else's update of the same row, and then two could win.
    unused = Access.objects.filter(ticket=digest(secret), cookie=None, project=project)
    if project is None or not unused.update(cookie=digest(cookie)):
        return None
    return Entry(_kept(digest(cookie), held) or cookie, path)


def _kept(new: str, held: str) -> str:
    """``held``, if it opens the same notebook for the same browser; the new row goes then."""
    row = Access.objects.get(cookie=new)
    same = {"user": row.user_id, "project": row.project_id, "browser": row.browser}
    if not Access.objects.filter(cookie=digest(held), **same).exists():
        return ""
    row.delete()
    return held


def revoke_browser(session_key: str) -> None:
    """This browser opens no notebook any more, and what it has open is closed in seconds."""
    Access.objects.filter(browser=session_key).delete()


def revoke_user(user: User) -> None:
    """No browser of this person does."""
    Access.objects.filter(user=user).delete()


def revoke_project(project: Project) -> None:
    """No browser opens this notebook."""
    Access.objects.filter(project=project).delete()


def sweep() -> None:
    """Drop the rows that can open nothing any more."""
    now = timezone.now()
    signed_in = PortalSession.objects.filter(session_key=OuterRef("browser"), expire_date__gt=now)
    unused = Q(cookie=None, created__lt=now - UNUSED)
    gone = Q(project__removed__isnull=False)
    Access.objects.filter(unused | gone | ~Exists(signed_in)).delete()
