"""Privilege escalation: for oneself, over others, and through groups."""

from __future__ import annotations

from collections.abc import Iterator

from tests.attacks.forms import Form, action, of_person
from tests.attacks.wire import AWAY, REFUSED, Request

KIND = "staff's rights"
PEOPLE = "/admin/portal/user/"
PASSWORDS = {"password1": "a password of the attacker's 1", "password2": "a password of the attacker's 1",
             "usable_password": "true"}  # fmt: skip
MEMBERS = "select count(*) from portal_user_groups where user_id = {{{name}_pk}} and group_id = {{group_{group}}}"
GROUPS = "select group_concat(name) from auth_group"
POWERS = "select count(*) from auth_group_permissions"


def _person(name: str) -> str:
    return f"{PEOPLE}{{{name}_pk}}/change/"


def _over_people() -> Iterator[Form]:
    """Yield forms of each role against people with as many permissions or more, or against
    anybody.
    """
    for by, others in {
        "vera": ("twin", "boss"),
        "sue": ("boss", "olga"),
        "stan": ("boss",),
    }.items():
        for other in others:
            chosen = f"{{{other}_pk}}"
            yield Form(KIND, f"{by} signs {other} out", by, PEOPLE, action("sign_out", chosen),
                       of_person("signed_out", other), plain=True)  # fmt: skip
            yield Form(KIND, f"{by} disables {other}", by, PEOPLE, action("disable", chosen),
                       of_person("is_active", other), plain=True)  # fmt: skip
            yield Form(KIND, f"{by} sets a password for {other}", by,
                       f"{PEOPLE}{{{other}_pk}}/password/", PASSWORDS, of_person("password", other))  # fmt: skip
            yield Form(KIND, f"{by} renames {other}", by, _person(other), {"username": "renamed"},
                       f"select username from portal_user where id = {{{other}_pk}}")  # fmt: skip
            yield Form(KIND, f"{by} changes the address of {other}", by, _person(other),
                       {"email": "attacker@example.org"}, of_person("email", other))  # fmt: skip
            yield Form(KIND, f"{by} erases {other}", by, f"{PEOPLE}{{{other}_pk}}/erase/",
                       {"username": other, "confirmed": "yes"}, of_person("is_active", other))  # fmt: skip


def _for_oneself() -> Iterator[Form]:
    for by in ("vera", "sue", "stan"):
        yield Form(KIND, f"{by} becomes a superuser", by, _person(by), {"is_superuser": "on"},
                   of_person("is_superuser", by))  # fmt: skip
        yield Form(KIND, f"{by} gives themselves every permission", by, _person(by),
                   {"user_permissions": [str(n) for n in range(1, 60)]},
                   f"select count(*) from portal_user_user_permissions where user_id = {{{by}_pk}}")  # fmt: skip
        yield Form(KIND, f"{by} joins a group that may more", by, _person(by),
                   {"groups": ["{group_powers}", "{group_operator}"]},
                   MEMBERS.format(name=by, group="powers"))  # fmt: skip
    yield Form(KIND, "sue joins the operators", "sue", _person("sue"),
               {"groups": ["{group_operator}"]}, MEMBERS.format(name="sue", group="operator"))  # fmt: skip
    yield Form(KIND, "stan puts mallory into a group that may more", "stan", _person("mallory"),
               {"groups": ["{group_powers}"]}, MEMBERS.format(name="mallory", group="powers"))  # fmt: skip
    yield Form(KIND, "sue grants herself a hundred projects", "sue", "/admin/quotas/grant/add/",
               {"user": "{sue_pk}", "limit": "projects", "value": "100000", "until": "2099-01-01",
                "reason": "x"}, "select count(*) from quotas_grant")  # fmt: skip


def _groups() -> Iterator[Form]:
    powers = "/admin/auth/group/{group_powers}/change/"
    for by in ("sue", "stan"):
        yield Form(
            KIND, f"{by} renames a group that may more", by, powers, {"name": "mine"}, GROUPS
        )
        yield Form(KIND, f"{by} takes a name that a group may have by a provider", by, powers,
                   {"name": "everybody"}, GROUPS)  # fmt: skip
        yield Form(KIND, f"{by} gives a group every permission", by, powers,
                   {"permissions": [str(n) for n in range(1, 80)]}, POWERS)  # fmt: skip
        yield Form(KIND, f"{by} gives a role every permission", by,
                   "/admin/auth/group/{group_viewer}/change/",
                   {"permissions": [str(n) for n in range(1, 80)]}, POWERS)  # fmt: skip
        yield Form(KIND, f"{by} renames a role", by, "/admin/auth/group/{group_operator}/change/",
                   {"name": "gone"}, GROUPS)  # fmt: skip
        yield Form(KIND, f"{by} deletes a group that may more", by,
                   "/admin/auth/group/{group_powers}/delete/", {"post": "yes"}, GROUPS)  # fmt: skip
        yield Form(KIND, f"{by} makes a group with every permission", by, "/admin/auth/group/add/",
                   {"name": f"made-by-{by}", "permissions": [str(n) for n in range(1, 80)]}, POWERS)  # fmt: skip
    yield Form(KIND, "stan raises the limits of a group that may more", "stan", powers,
               {"limit_projects": "1000", "projects": "1000"},
               "select count(*) from quotas_limitset where group_id = {group_powers}",)  # fmt: skip


def _beyond_support() -> Iterator[Form]:
    """Yield forms for actions that support and viewers may not do at all."""
    made = "select count(*) from portal_user"
    rules = "select count(*) from notebook_sessions_repositoryrule"
    for by in ("vera", "sue"):
        yield Form(KIND, f"{by} adds a person", by, f"{PEOPLE}add/", {"username": f"by-{by}", **PASSWORDS},
                   made)  # fmt: skip
        yield Form(KIND, f"{by} bans every repository", by,
                   "/admin/notebook_sessions/repositoryrule/add/",
                   {"kind": "ban", "pattern": "*.*/*"}, rules)  # fmt: skip
        yield Form(KIND, f"{by} sets limits for mallory", by, PEOPLE,
                   action("set_limits", "{mallory_pk}", projects="1000"),
                   "select count(*) from quotas_limitset where user_id = {mallory_pk}", plain=True)  # fmt: skip
        yield Form(KIND, f"{by} deletes alice's token", by, "/admin/keys/token/{alice_token_pk}/delete/",
                   {"post": "yes"}, "select count(*) from keys_token where id = {alice_token_pk}")  # fmt: skip
        yield Form(KIND, f"{by} announces something", by, "/admin/portal/announcement/add/",
                   {"text": "x", "level": "info"}, "select count(*) from portal_announcement")  # fmt: skip
    yield Form(KIND, "vera stops alice's notebook", "vera", "/admin/notebook_sessions/project/",
               action("stop", "{alice_project_pk}"),
               "select state from notebook_sessions_session s join notebook_sessions_project p"
               " on p.current_id = s.id where p.id = {alice_project_pk}", plain=True)  # fmt: skip
    yield Form(KIND, "stan makes a token for alice", "stan", "/admin/keys/token/add/",
               {"user": "{alice_pk}", "name": "x"}, "select count(*) from keys_token")  # fmt: skip


def _notebooks() -> Iterator[Request]:
    """Yield requests to a notebook in which only its owner may work."""
    for by in ("vera", "sue", "stan", "root"):
        yield Request(KIND, f"{by} opens alice's notebook", "/projects/{alice_project}/open/", by=by,
                      answers=AWAY | REFUSED, without=("ticket=",))  # fmt: skip
        yield Request(KIND, f"{by} opens alice's notebook by token", "/api/contents", by=by, token="all",
                      host="{alice_project}.localhost:{port}", answers=frozenset({404}))  # fmt: skip
    for path in ("portal/user", "auth/group", "keys/token", "auditlog/logentry",
                 "notebook_sessions/project", "quotas/limitset", "portal/letter"):  # fmt: skip
        yield Request(KIND, f"somebody who is no staff sees {path}", f"/admin/{path}/", by="mallory",
                      answers=AWAY | {403, 404}, without=("changelist",))  # fmt: skip
    yield Request(KIND, "stan sets limits of a superuser through the API",
                  "/api/v1/users/boss/limits/", method="PATCH", by="stan", token="all",
                  body='{"projects": 0}', headers=(("Content-Type", "application/json"),),
                  answers=frozenset({403, 404}))  # fmt: skip
    yield Request(KIND, "sue sets limits through the API", "/api/v1/users/mallory/limits/",
                  method="PATCH", by="sue", token="all", body='{"projects": 100}',
                  headers=(("Content-Type", "application/json"),), answers=frozenset({403, 404}))  # fmt: skip


ATTEMPTS = (
    *_over_people(),
    *_for_oneself(),
    *_groups(),
    *_beyond_support(),
    *_notebooks(),
    Form(KIND, "stan renames mallory's first name", "stan", _person("mallory"),
         {"first_name": "Changed"}, of_person("first_name", "mallory"), control=True),
    Form(KIND, "sue signs mallory's twin out", "sue", PEOPLE, action("sign_out", "{twin_pk}"),
         of_person("signed_out", "twin"), control=True, plain=True),
)  # fmt: skip
