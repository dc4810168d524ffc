"""The cast: people of each role on the portal under test, and alice's things."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httpx

from tests.stack import Api, Stack

MAKE = """
import json
from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.test import Client
from keys.issuing import issue
from keys.models import Token
from portal import roles
from portal.models import User
from quotas import changes
from portal.models.erasure import ALIAS, Erasure, digest
from django.utils import timezone

def entered(user):
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value

people = {}
for name, role in PEOPLE.items():
    user, _ = User.objects.get_or_create(username=name, defaults={"email": f"{name}@example.org"})
    if role == "superuser":
        User.objects.filter(pk=user.pk).update(is_superuser=True, is_staff=True)
    elif role:
        roles.assign_role(user, role)
    Token.objects.filter(user=user).delete()
    tokens = {scope: issue(user, scope, [scope])[1] for scope in ("read", "launch", "notebook")}
    tokens["all"] = issue(user, "all")[1]
    number = user.tokens.last().pk
    changes.set_own_limits(user, ROOM)
    people[name] = {"pk": user.pk, "tokens": tokens, "token_pk": number, "session": entered(user)}
erased, _ = User.objects.get_or_create(username="erased")
if not Erasure.objects.of("erased").exists():
    Erasure.objects.create(username=digest("erased"), erased=timezone.now())
    User.objects.filter(pk=erased.pk).update(username=ALIAS.format(erased.pk), is_active=False)
powers, _ = Group.objects.get_or_create(name="powers")
powers.permissions.set(Permission.objects.filter(codename__in=["add_user", "delete_session"]))
print(json.dumps({"people": people, "cookie": settings.SESSION_COOKIE_NAME,
                  "groups": {group.name: group.pk for group in Group.objects.all()}}))
"""
ROLES = {"alice": "", "carol": "", "mallory": "", "marvin": "", "twin": "", "vera": "viewer",
         "sue": "support", "stan": "operator", "root": "superuser", "olga": "operator",
         "boss": "superuser"}  # fmt: skip
"""``mallory`` and ``marvin`` are people with an account, and marvin uses up how often one may ask;
``twin``, ``olga`` and ``boss`` are the targets of staff."""


HERE = "localhost.local"
"""``localhost``, as Python's cookie jars write it."""
ROOM = {"projects": 100}
"""Limits that each person gets."""


@dataclass(frozen=True)
class Person:
    """One person. ``tokens`` are keyed by their purpose; the session is in `World.sessions`."""

    name: str
    pk: int
    tokens: Mapping[str, str]
    token_pk: int


@dataclass(frozen=True)
class World:
    """The portal under attack. ``sessions`` are people's session cookies, ``words`` stand for names
    and numbers in the texts of attempts; ``secrets`` are values that nobody may see.
    """

    stack: Stack
    backend: str
    cookie: str
    people: Mapping[str, Person]
    sessions: dict[str, str]
    words: dict[str, str]
    secrets: tuple[str, ...]

    def filled(self, text: str) -> str:
        """Return the text with this portal's names and numbers filled in."""
        for word, value in self.words.items():
            text = text.replace(f"{{{word}}}", value)
        return text

    def row(self, query: str) -> Any:
        """Return the first row that the query finds in the portal's database."""
        path = f"file:{self.stack.data}/db.sqlite3?mode=ro"
        with closing(sqlite3.connect(path, uri=True, timeout=20)) as database:
            return database.execute(self.filled(query)).fetchone()

    def api(self, name: str, scope: str = "all") -> Api:
        return Api(self.stack, self.people[name].tokens[scope])

    @contextmanager
    def browser(self, name: str) -> Iterator[Browser]:
        """Yield this person's browser, signed in; without a name, a stranger's."""
        with Browser(self.stack.url) as browser:
            if name:
                browser.cookies.set(self.cookie, self.sessions[name], domain=HERE)
            yield browser
            if name:  # it may have got another
                self.sessions[name] = browser.cookies.get(self.cookie, domain=HERE) or ""


class Browser(httpx.Client):
    """A browser that sends the portal's own forms as its pages would."""

    def __init__(self, url: str) -> None:
        super().__init__(base_url=url, timeout=30, headers={"Accept": "text/html"})

    @cached_property
    def token(self) -> str:
        """Return the session's CSRF token."""
        page = self.get("/account/").text
        _, found, rest = page.partition('name="csrfmiddlewaretoken" value="')
        return rest.partition('"')[0] if found else ""

    def send_form(self, path: str, data: Mapping[str, Any], method: str = "POST") -> httpx.Response:
        headers = {"X-CSRFToken": self.token, "Referer": str(self.base_url)}
        return self.request(method, path, data=dict(data), headers=headers)


def made(stack: Stack, backend: str, secrets: tuple[str, ...]) -> World:
    """Return the portal with its cast in it."""
    code = MAKE.replace("PEOPLE", repr(ROLES)).replace("ROOM", repr(ROOM))
    found = json.loads(stack.manage("shell", "-v0", "-c", code).splitlines()[-1])
    sessions = {name: each.pop("session") for name, each in found["people"].items()}
    people = {name: Person(name, **each) for name, each in found["people"].items()}
    words = {f"{name}_pk": str(person.pk) for name, person in people.items()}
    words |= {f"{name}_token": person.tokens["all"] for name, person in people.items()}
    words |= {f"{name}_token_pk": str(person.token_pk) for name, person in people.items()}
    words |= {f"{name}_session": session for name, session in sessions.items()}
    words |= {f"group_{name}": str(pk) for name, pk in found["groups"].items()}
    words |= {"port": str(stack.port), "url": stack.url, "cookie": found["cookie"]}
    return World(stack, backend, found["cookie"], people, sessions, words, secrets)
