"""Read people, groups and claims of a JupyterHub, from its REST API or its database.

Columns and fields are those of JupyterHub 1 to 6: ``users``, ``groups``, ``user_group_map`` and
``spawners`` (`jupyterhub/orm.py`); ``GET /users`` in pages since version 2
(https://jupyterhub.readthedocs.io/en/stable/reference/rest-api.html).
"""

from __future__ import annotations

import sqlite3
import string
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import requests
from django.utils.translation import gettext as _

PAGE = 100
SECONDS = 30


class UnreadableHub(Exception):
    """Raised if the hub, its database or a file about it cannot be read; the text says why."""


@dataclass
class HubUser:
    """A person of a hub; ``servers`` are the names of named servers, running or not."""

    name: str
    admin: bool = False
    groups: set[str] = field(default_factory=set)
    servers: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Claim:
    """A volume claim in the hub's namespace: whose it is, and the volume that it is bound to."""

    name: str
    user: str
    server: str
    volume: str
    spec: dict[str, Any] = field(hash=False, compare=False)


def from_api(address: str, token: str) -> list[HubUser]:
    """Return the people of the hub whose API is at ``address`` (…/hub/api). Raises `UnreadableHub`.

    The token needs the scopes ``list:users``, ``read:users`` and ``read:servers``, or an admin's.
    """
    found: dict[str, HubUser] = {}
    with requests.Session() as http:
        http.headers["Authorization"] = f"token {token}"
        while True:
            page = {each.name: each for each in map(_user, _page(http, address, len(found)))}
            if page.keys() <= found.keys():  # the end, or a hub that knows no pages
                return list(found.values())
            found |= page


def _page(http: requests.Session, address: str, offset: int) -> list[dict[str, Any]]:
    query: dict[str, Any] = {"offset": offset, "limit": PAGE, "include_stopped_servers": "1"}
    try:
        answer = http.get(
            f"{address.rstrip('/')}/users", params=query, timeout=SECONDS, allow_redirects=False
        )
        rows = answer.json() if answer.status_code == 200 else None
    except (requests.RequestException, ValueError) as error:
        raise UnreadableHub(_("The hub's API does not answer: %(why)s") % {"why": error}) from None
    if answer.status_code in {401, 403}:
        raise UnreadableHub(_("The hub does not accept the token for listing users."))
    if not isinstance(rows, list) or not all(isinstance(each, dict) for each in rows):
        message = _("%(address)s does not answer like a hub's API (status %(status)d). It ends in "
                    "/hub/api.")  # fmt: skip
        raise UnreadableHub(message % {"address": address, "status": answer.status_code})
    return rows


def _user(row: dict[str, Any]) -> HubUser:
    servers = row.get("servers") or {}
    return HubUser(
        str(row["name"]),
        bool(row.get("admin")),
        {str(each) for each in row.get("groups") or ()},
        {name for name in servers if name},
    )


_USERS = "SELECT id, name, admin FROM users ORDER BY id"
_GROUPS = "SELECT m.user_id, g.name FROM user_group_map m JOIN groups g ON g.id = m.group_id"
_SERVERS = "SELECT user_id, name FROM spawners WHERE name <> ''"


def from_database(place: str) -> list[HubUser]:
    """Return the people of the hub with this database: a SQLite file, or PostgreSQL's URL.

    Nothing is written, and a running hub is not disturbed. Raises `UnreadableHub`.
    """
    try:
        if place.startswith(("postgres://", "postgresql://")):
            with psycopg.connect(place, connect_timeout=SECONDS) as connection:
                connection.read_only = True
                return _from_rows(*(connection.execute(each).fetchall() for each in _QUERIES))
        address = f"{Path(place).resolve(strict=True).as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as file:
            return _from_rows(*(file.execute(each).fetchall() for each in _QUERIES))
    except (OSError, sqlite3.Error, psycopg.Error) as error:
        message = _("This is not the database of a hub, or it cannot be read: %(why)s")
        raise UnreadableHub(message % {"why": str(error).strip()}) from None


_QUERIES = (_USERS, _GROUPS, _SERVERS)


def _from_rows(
    users: Iterable[Any], groups: Iterable[Any], servers: Iterable[Any]
) -> list[HubUser]:
    found = {number: HubUser(str(name), bool(admin)) for number, name, admin in users}
    for number, group in groups:
        if number in found:
            found[number].groups.add(str(group))
    for number, server in servers:
        if number in found:
            found[number].servers.add(str(server))
    return list(found.values())


_SAFE = frozenset(string.ascii_lowercase + string.digits)


def escape(name: str) -> str:
    """Return a name as KubeSpawner writes it in names of objects (before version 7)."""
    return "".join(
        each if each in _SAFE else "".join(f"-{byte:02x}" for byte in each.encode())
        for each in name
    )


def read_claims(listing: Any, names: Iterable[str]) -> Iterator[Claim]:
    """Yield the claims of these people in a list of PersistentVolumeClaims, as kubectl prints it.

    KubeSpawner notes the person on each claim; older ones are known by their name alone.
    """
    by_name: dict[str, str] = {}
    for name in names:
        by_name |= {f"claim-{escape(name)}": name, f"{name}-nfs-pvc": name}
    for item in listing["items"]:
        about, spec = item["metadata"], item["spec"]
        notes = about.get("annotations") or {}
        user = notes.get("hub.jupyter.org/username") or by_name.get(about["name"], "")
        if user:
            server = notes.get("hub.jupyter.org/servername", "")
            yield Claim(about["name"], user, server, spec.get("volumeName", ""), spec)
