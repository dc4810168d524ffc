"""Let a browser into a notebook's host with a ticket, which is swapped for a cookie.

The two hosts share no cookie. So the portal, which knows the person, sends the browser on with a
signed ticket, valid once and for `LIFETIME_SECONDS` seconds. After that, `authorize` decides
request by request.

A ticket is bound to the browser that asked for it, like an OAuth code by its ``state``. The browser
begins at the notebook's host (`entry_url`), which gives it a secret in a cookie and sends it to the
portal with the secret's digest; the portal puts the digest into the ticket. A browser that follows
somebody else's ticket has another secret or none, and is not let into somebody else's notebook.
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

from keys.models import NOTEBOOK_PREFIX, Token, digest
from portal.models import User
from sessions.errors import UserError
from sessions.gateway.hosts import ENTER_PATH
from sessions.models import Access, Project
from sessions.providers import LAB
from sessions.states import SESSION_LIVE

LIFETIME_SECONDS = 30
UNUSED_LIFETIME = timedelta(minutes=1)
SALT = "bindery.gateway.ticket"
MAX_PATH_LENGTH = 4000


class NotOwner(UserError):
    """Raised for anyone but the owner, also for staff: they see the project's page only."""

    status = 403


@dataclass(frozen=True)
class Entry:
    """The secret for the cookie, and the path to go on to."""

    cookie: str
    path: str


def entry_url(user: User, project: Project, path: str = "") -> str:
    """Return the address on the notebook's host where a browser begins.

    Raises `NotOwner` if the project is not the user's.
    """
    _refuse_others(user, project)
    query = f"?{urlencode({'path': path})}" if path else ""
    return f"{project.notebook_url.rstrip('/')}{ENTER_PATH}{query}"


def issue_ticket(
    user: User, project: Project, session_key: str, entrant: str, path: str = ""
) -> str:
    """Return the address on the notebook's host that lets this browser in, once.

    The ticket in it is valid for `LIFETIME_SECONDS` seconds.

    ``session_key`` is the browser's portal session: access ends with it. ``entrant`` is the digest
    of the secret that this browser holds on the notebook's host. ``path`` is where to go on that
    host; without it, the project's own file or address is opened.

    Raises `NotOwner` if the project is not the user's.
    """
    _refuse_others(user, project)
    secret = secrets.token_urlsafe(32)
    Access.objects.create(user=user, project=project, browser=session_key, ticket=digest(secret))
    target = safe_path(path) or _own_path(project)
    ticket = signing.dumps([secret, target, entrant], salt=SALT)
    return f"{project.notebook_url.rstrip('/')}{ENTER_PATH}?{urlencode({'ticket': ticket})}"


def _refuse_others(user: User, project: Project) -> None:
    if project.owner_id != user.pk:
        raise NotOwner("gateway.not-yours", _("Only the owner can open this notebook."))


def is_entrant_digest(text: str) -> bool:
    """Return whether ``text`` is the digest of a secret, as the gateway sends it."""
    return re.fullmatch("[0-9a-f]{64}", text) is not None


def safe_path(path: str) -> str:
    """Return ``path`` if it is on the same host and fit for a ``Location`` header; otherwise ""."""
    safe = (
        path.startswith("/")
        and not path.startswith(("//", ENTER_PATH))
        and len(path) <= MAX_PATH_LENGTH
    )
    return iri_to_uri(path) if safe and path.isprintable() and "\\" not in path else ""


def _own_path(project: Project) -> str:
    """Return where the project itself opens: its file, or where its launch link leads."""
    source = None if project.is_content_optional else project.content_source
    tidy = f"{source.folder if source else ''}/{project.path}".strip("/")
    if tidy and (project.path or not project.urlpath):
        return f"/{project.urlpath or LAB}/{quote(tidy)}"
    return (project.urlpath and safe_path(f"/{project.urlpath}")) or "/lab"


def redeem(ticket: str, label: str, entrant: str, held_cookie: str = "") -> Entry | None:
    """Swap a ticket for a cookie on the host ``label``.

    ``entrant`` is the digest of the secret that the browser holds. ``held_cookie`` is one that the
    browser already has there: a valid one stays, so that open sockets stay open.

    Return None if the ticket is not valid, has expired, is used, or was made for another browser.
    """
    try:
        secret, path, issued_to = signing.loads(ticket, salt=SALT, max_age=LIFETIME_SECONDS)
    except (signing.BadSignature, ValueError):  # or from an earlier version
        return None
    if not entrant or not constant_time_compare(issued_to, entrant):
        return None
    cookie = secrets.token_urlsafe(32)
    project = Project.objects.existing().filter(name=label).first()
    # Only columns of this row: PostgreSQL would not check a joined table again after waiting for
    # another update of the row, and then two could win.
    unused = Access.objects.filter(ticket=digest(secret), cookie=None, project=project)
    if project is None or not unused.update(cookie=digest(cookie)):
        return None
    return Entry(_reuse_cookie(digest(cookie), held_cookie) or cookie, path)


def _reuse_cookie(new: str, held: str) -> str:
    """Return ``held`` if it opens the same notebook for the same browser; else "".

    The new row is deleted if ``held`` stays.
    """
    row = Access.objects.get(cookie=new)
    same = {"user": row.user_id, "project": row.project_id, "browser": row.browser}
    if not Access.objects.filter(cookie=digest(held), **same).exists():
        return ""
    row.delete()
    return held


def issue_notebook_token(project: Project, token: Token | None, browser: str = "") -> str:
    """Return a secret that opens the project's notebook as it runs now, and nothing else.

    A program sends it like an API token (`sessions.gateway.request`). It works for as long as this
    session runs and whatever asked for it is valid: the API ``token``, or the portal session
    ``browser`` of the project's owner.
    """
    secret = NOTEBOOK_PREFIX + secrets.token_urlsafe(32)
    Access.objects.create(
        user_id=project.owner_id,
        project=project,
        session=project.current,
        token=token,
        browser="" if token else browser,
        ticket=digest(secrets.token_urlsafe(32)),
        cookie=digest(secret),
    )
    return secret


def revoke_browser(session_key: str) -> None:
    """End this browser's access to all notebooks; open sockets close within seconds."""
    Access.objects.filter(browser=session_key).delete()


def revoke_user(user: User) -> None:
    """End the access of all of this person's browsers, and of programs with a notebook's token."""
    Access.objects.filter(user=user).delete()


def sweep() -> None:
    """Delete the access rows that cannot open anything any more."""
    now = timezone.now()
    signed_in = PortalSession.objects.filter(session_key=OuterRef("browser"), expire_date__gt=now)
    unused = Q(cookie=None, created__lt=now - UNUSED_LIFETIME)
    gone = Q(project__removed__isnull=False)
    ended = Q(session__isnull=False) & ~Q(session__state__in=SESSION_LIVE)
    signed_out = Q(token=None) & ~Exists(signed_in)
    Access.objects.filter(unused | gone | ended | signed_out).delete()
