"""Decide who may reach a notebook, and cache the decision for a moment.

This is the only place that decides, whether the gateway or nginx does the proxying. A cookie opens
the one project that its ticket was for, as long as that browser's portal session lasts. An API
token with the scope ``notebook`` opens all of its owner's projects, a notebook's own token only
that notebook, while it runs. A person without access gets
the same answer whether or not a project of that name exists.

`AuthorizationCache` caches decisions, so that a page of a hundred requests asks the database once.
There is one for each process and event loop. No decision is used for longer than
`PORTAL_GATEWAY_RECHECK` seconds, counted from before the query; a refusal is used for less.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import chain
from time import monotonic
from typing import Any, NamedTuple

from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session as PortalSession
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from keys.models import NOTEBOOK_PREFIX, Token, digest
from keys.sealing import UnsealError
from portal.models import User
from sessions.models import Access, Project
from sessions.states import ProjectState

NOTEBOOK_SCOPE = "notebook"


class Credential(NamedTuple):
    """The credentials of a request: the host's label and at most one secret; a token goes first."""

    label: str
    cookie: str = ""
    bearer: str = ""


class Decision(Enum):
    """Possible outcomes of a decision."""

    ALLOWED = auto()
    SIGN_IN = auto()
    NOT_FOUND = auto()
    NOT_RUNNING = auto()
    NO_SCOPE = auto()
    UNREADABLE = auto()


@dataclass(frozen=True, slots=True)
class Authorization:
    """A decision, and where it leads.

    ``address`` and ``token`` lead to the notebook server, and are set only if `ALLOWED`. ``state``
    is the project's state, set only if the person may know it.
    """

    decision: Decision
    user_id: int = 0
    project_id: int = 0
    state: str = ""
    address: str = ""
    token: str = field(default="", repr=False)


SIGN_IN = Authorization(Decision.SIGN_IN)
NOT_FOUND = Authorization(Decision.NOT_FOUND)
NO_SCOPE = Authorization(Decision.NO_SCOPE)


def authorize(label: str, cookie: str = "", bearer: str = "") -> Authorization:
    """Decide whether these secrets open the notebook on the host ``label``; return where it is."""
    credential = Credential(label, cookie, bearer)
    return decide([credential])[credential]


def decide(credentials: Iterable[Credential]) -> dict[Credential, Authorization]:
    """Decide for many credentials at once. Any number of cookies takes two queries."""
    wanted = list(credentials)
    accesses = _accesses({digest(each.cookie) for each in wanted if each.cookie})
    return {each: _by_token(each) if each.bearer else _by_cookie(each, accesses) for each in wanted}


def _by_token(credential: Credential) -> Authorization:
    if credential.bearer.startswith(NOTEBOOK_PREFIX) and (
        access := _access_by_token(credential.bearer)
    ):
        is_for_it = access.project.name == credential.label
        return _authorize_project(access.project) if is_for_it else SIGN_IN
    token = Token.objects.find_by_secret(credential.bearer)
    if token is None:
        return SIGN_IN
    if not token.allows(NOTEBOOK_SCOPE):
        return NO_SCOPE
    mine = Project.objects.existing().filter(owner=token.user, name=credential.label)
    project = mine.select_related("current__build").first()
    return _authorize_project(project) if project else NOT_FOUND


def _access_by_token(secret: str) -> Access | None:
    """Return the row of a notebook's token if that is still valid."""
    related = ("user", "project__current__build")
    access = Access.objects.filter(cookie=digest(secret), session__isnull=False)
    row = access.select_related(*related).first()
    if row is None or row.project.current_id != row.session_id:
        return None
    if row.token_id:
        asked_by = Token.objects.valid().filter(pk=row.token_id, user=row.user_id)
        is_valid = row.project.removed is None and asked_by.exists()
        return row if is_valid and row.project.owner_id == row.user_id else None
    return row if _is_valid(row, _browsers([row]).get(row.browser, {})) else None


def _by_cookie(credential: Credential, accesses: dict[str, Access]) -> Authorization:
    access = accesses.get(digest(credential.cookie))
    if access is None or access.project.name != credential.label:
        return SIGN_IN
    return _authorize_project(access.project)


def _accesses(digests: set[str]) -> dict[str, Access]:
    """Return the access rows that are still valid, by the digest of their cookie."""
    related = ("user", "project__current__build")
    rows = Access.objects.filter(cookie__in=digests, session=None).select_related(*related)
    browsers = _browsers(rows)
    return {str(row.cookie): row for row in rows if _is_valid(row, browsers.get(row.browser, {}))}


def _browsers(rows: Iterable[Access]) -> dict[str, dict[str, Any]]:
    """Return the data of the rows' portal sessions that have not ended, by their keys."""
    sessions = PortalSession.objects.filter(
        session_key__in={row.browser for row in rows}, expire_date__gt=timezone.now()
    )
    return {session.session_key: session.get_decoded() for session in sessions}


def _is_valid(access: Access, browser: dict[str, Any]) -> bool:
    return (
        access.user.may_enter
        and access.project.removed is None
        and access.project.owner_id == access.user_id
        and is_session_of(access.user, browser)
    )


def is_session_of(user: User, session_data: dict[str, Any]) -> bool:
    """Return whether a portal session is this person's, made with their current password."""
    held = session_data.get(HASH_SESSION_KEY, "")
    good = chain([user.get_session_auth_hash()], user.get_session_auth_fallback_hash())
    return session_data.get(SESSION_KEY) == str(user.pk) and any(
        constant_time_compare(held, each) for each in good
    )


def _authorize_project(project: Project) -> Authorization:
    person, state = project.owner_id, project.state
    if state != ProjectState.READY or project.current is None:
        return Authorization(Decision.NOT_RUNNING, person, project.pk, state)
    try:
        address, token = project.current.address, project.current.server_token
    except UnsealError:  # encrypted with a key that the site has lost
        return Authorization(Decision.UNREADABLE, person, project.pk, state)
    return Authorization(Decision.ALLOWED, person, project.pk, state, address, token)


REFUSAL_CACHE_SHARE = 0.25
"""How long a refusal is cached, as a fraction of `PORTAL_GATEWAY_RECHECK`."""
MAX_CACHED = 10_000

# In its own threads, so that others waiting for the database do not block the gateway.
_decide_async = database_sync_to_async(decide, thread_sensitive=False)


class AuthorizationCache:
    """Cached decisions; concurrent questions about one credential share a query."""

    def __init__(self) -> None:
        self._cache: dict[Credential, tuple[float, Authorization]] = {}
        self._pending: dict[Credential, asyncio.Task[Authorization]] = {}

    async def get(self, credential: Credential) -> Authorization:
        """Return an authorization that is recent enough; concurrent callers share one query."""
        if not credential.cookie and not credential.bearer:
            return SIGN_IN
        until, authorization = self._cache.get(credential, (0.0, SIGN_IN))
        if until > monotonic():
            return authorization
        task = self._pending.get(credential)
        if task is None:
            task = self._pending[credential] = asyncio.create_task(self._ask(credential))
        return await asyncio.shield(task)

    async def get_fresh(self, credential: Credential) -> Authorization:
        """Return an authorization like `get`, but never an "allowed" from the cache.

        This is for nginx, which caches the answer itself for as long again.
        """
        _until, authorization = self._cache.get(credential, (0.0, SIGN_IN))
        if authorization.decision is Decision.ALLOWED:
            del self._cache[credential]
        return await self.get(credential)

    async def ask_again(self, credential: Credential) -> Authorization:
        """Return an authorization that was decided after this call."""
        return (await self.refresh([credential]))[credential]

    async def refresh(self, credentials: Collection[Credential]) -> dict[Credential, Authorization]:
        """Decide again about these credentials, all at once, and cache the decisions."""
        began = monotonic()
        authorizations: dict[Credential, Authorization] = await _decide_async(credentials)
        for credential, authorization in authorizations.items():
            share = 1 if authorization.decision is Decision.ALLOWED else REFUSAL_CACHE_SHARE
            until = began + share * settings.PORTAL_GATEWAY_RECHECK
            self._cache.pop(credential, None)
            self._cache[credential] = (until, authorization)
        while len(self._cache) > MAX_CACHED:
            del self._cache[next(iter(self._cache))]
        return authorizations

    async def _ask(self, credential: Credential) -> Authorization:
        try:
            return (await self.refresh([credential]))[credential]
        finally:
            del self._pending[credential]
