"""The audit log: nobody changes it, and everything that gives power is in it."""

from __future__ import annotations

import secrets

from tests.attacks.acts import Act
from tests.attacks.cast import World
from tests.attacks.forms import Form, action, fields, filled

KIND = "the record"
ENTRIES = "select count(*) from auditlog_logentry"
NEWEST = "select max(id) from auditlog_logentry"
PASSWORD = "a password that staff have set 7"


def _entries(world: World, since: int) -> str:
    rows = f"select group_concat(changes_text || changes || object_repr) from auditlog_logentry where id > {since}"
    return str(world.row(rows)[0] or "")


def _is_recorded(what: str, change: str, path: str, /, **data: object) -> Act:
    def act(world: World) -> str:
        newest = world.row(NEWEST)[0] or 0
        with world.browser("root") as browser:
            there = fields(browser.get(world.filled(path)))
            sent = {key: filled(world, value) for key, value in data.items()}
            answer = browser.send_form(world.filled(path), {**there, **sent})
        entries = _entries(world, newest)
        return (
            f"not recorded ({answer.status_code}): {entries[:200]}" if change not in entries else ""
        )

    return Act(KIND, f"{what} without a trace", act)


def _token_is_recorded(world: World) -> str:
    newest = world.row(NEWEST)[0] or 0
    name = f"token-{secrets.token_hex(4)}"
    with world.api("mallory") as api:
        answer = api.http.post("tokens/", json={"name": name, "scopes": ["read"]})
        if answer.status_code == 201:
            api.http.delete(f"tokens/{answer.json()['id']}/")
    return "" if name in _entries(world, newest) else f"not recorded ({answer.status_code})"


def _sets_password(world: World) -> str:
    """Set somebody's password as an operator: it leads no further than to a page where it has to be
    changed.
    """
    with world.browser("stan") as browser:
        path = world.filled("/admin/portal/user/{twin_pk}/password/")
        there = fields(browser.get(path))
        word = {"password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"}
        browser.send_form(path, {**there, **word})
    with world.browser("") as impostor:
        page = impostor.get("/sign-in/")
        form = {**fields(page), "username": "twin", "password": PASSWORD}
        signed = impostor.post("/sign-in/", data=form, headers={"Referer": world.stack.url})
        account = impostor.get("/account/")
    if signed.status_code not in {302, 303}:
        return ""
    return (
        f"works as twin: /account/ says {account.status_code}" if account.status_code == 200 else ""
    )


ATTEMPTS = (
    Form(KIND, "root adds an entry", "root", "/admin/auditlog/logentry/add/",
         {"action": "1", "object_repr": "x"}, ENTRIES, plain=True),
    Form(KIND, "root deletes entries", "root", "/admin/auditlog/logentry/",
         action("delete_selected", "1", "2", "3", post="yes"), "select min(id) from auditlog_logentry",
         plain=True),
    Form(KIND, "root changes an entry", "root", "/admin/auditlog/logentry/1/change/",
         {"action": "2", "object_repr": "x"},
         "select group_concat(object_repr) from auditlog_logentry where id = 1", plain=True),
    Form(KIND, "root deletes an entry", "root", "/admin/auditlog/logentry/1/delete/", {"post": "yes"},
         "select count(*) from auditlog_logentry where id = 1", plain=True),
    _is_recorded("set somebody's password", "password", "/admin/portal/user/{twin_pk}/password/",
                 password1=PASSWORD, password2=PASSWORD, usable_password="true"),
    _is_recorded("put somebody into a group", "powers", "/admin/portal/user/{twin_pk}/change/",
                 groups=["{group_powers}"]),
    _is_recorded("make somebody a superuser", "is_superuser", "/admin/portal/user/{twin_pk}/change/",
                 is_superuser="on"),
    _is_recorded("change what a group may", "ermissions", "/admin/auth/group/{group_powers}/change/",
                 permissions=["1", "2"]),
    _is_recorded("make a group", "made-with-a-trace", "/admin/auth/group/add/",
                 name="made-with-a-trace"),
    Act(KIND, "make a token without a trace", _token_is_recorded),
    Act(KIND, "an operator becomes somebody by a password that they set", _sets_password),
    Form(KIND, "root's changes are in it", "root", "/admin/portal/user/{twin_pk}/change/",
         {"email": "changed@example.org"}, ENTRIES, control=True),
)  # fmt: skip
