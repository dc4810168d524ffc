"""Staff actions and forms with values that nobody would choose: answered in words, never by a
server error.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.attacks.forms import Form, action
from tests.attacks.wire import Request

KIND = "staff's forms"
ODD_IDS = {"a word": "x", "a number of 26 digits": "9" * 26, "a negative number": "-1", "NUL": "\0",
           "a list": "1,2,3", "a float": "1.5", "nothing": ""}  # fmt: skip
ACTIONS = {
    "/admin/portal/user/": ("sign_out", "disable", "enable", "set_limits", "grant", "export"),
    "/admin/notebook_sessions/project/": ("stop", "delete", "export"),
    "/admin/notebook_sessions/session/": ("stop", "export"),
    "/admin/notebook_sessions/build/": ("cancel", "rebuild", "export"),
    "/admin/keys/token/": ("delete_selected",),
    "/admin/portal/letter/": ("retry",),
}
NOTHING = "select 1"
ANSWERED = frozenset({200, 302, 400, 403, 404})
FILTERS = {
    "/admin/auditlog/logentry/": ("who=99999999999999999999999999", "what=99999999999999999999999999",
                                  "action=99999999999999999999999999", "who=%C2%B2", "what=%C2%B2",
                                  "timestamp__gte=x", "p=99999999999999999999999999"),
    "/admin/notebook_sessions/project/": ("group=99999999999999999999999999", "group=%C2%B2",
                                          "owner__id__exact=x", "last_activity__gte=x", "q=%00",
                                          "id__exact=99999999999999999999999999"),
    "/admin/notebook_sessions/session/": ("build__id__exact=99999999999999999999999999",
                                          "group=99999999999999999999999999", "code=%00"),
    "/admin/portal/user/": ("groups__id__exact=99999999999999999999999999", "groups__id__exact=x",
                            "q=%00", "o=99999999999999999999999999", "seen=x", "role=%00"),
    "/admin/keys/token/": ("created__gte=x", "q=%00"),
    "/admin/quotas/limitrequest/": ("state=x", "q=%00"),
}  # fmt: skip


def _actions() -> Iterator[Form]:
    for path, names in ACTIONS.items():
        for what, value in ODD_IDS.items():
            if what in {"a word", "a number of 26 digits", "NUL"}:
                for name in names:
                    yield Form(KIND, f"{name} at {path} for {what}", "root", path,
                               action(name, value), NOTHING, plain=True,
                               long=name not in {names[0], "export"} or what == "NUL")  # fmt: skip


def _filters() -> Iterator[Request]:
    for path, queries in FILTERS.items():
        for query in queries:
            yield Request(KIND, f"narrow {path} by {query}", f"{path}?{query}", by="root",
                          answers=ANSWERED)  # fmt: skip


ATTEMPTS = (
    *_actions(),
    *_filters(),
    Form(KIND, "add a person whose name was erased", "root", "/admin/portal/user/add/",
         {"username": "erased", "password1": "a long password 123", "password2": "a long password 123",
          "usable_password": "true"}, "select count(*) from portal_user"),
    Form(KIND, "rename a person to a name that was erased", "root",
         "/admin/portal/user/{twin_pk}/change/", {"username": "erased"},
         "select username from portal_user where id = {twin_pk}"),
    Form(KIND, "add a person with a name of NUL", "root", "/admin/portal/user/add/",
         {"username": "a\0b", "password1": "a long password 123", "password2": "a long password 123"},
         "select count(*) from portal_user"),
    Form(KIND, "add a person with a name of 100,000 letters", "root", "/admin/portal/user/add/",
         {"username": "x" * 100_000, "password1": "a long password 123",
          "password2": "a long password 123"}, "select count(*) from portal_user"),
    Form(KIND, "erase a person who is not there", "root",
         "/admin/portal/user/999999999999999999999/erase/", {"username": "x"}, NOTHING, plain=True),
    Form(KIND, "answer a request that is not there", "root",
         "/admin/quotas/limitrequest/99999999999999999999/change/", {"answer": "x"}, NOTHING,
         plain=True),
    Form(KIND, "set limits to what is no number", "root", "/admin/portal/user/",
         action("set_limits", "{twin_pk}", projects="NaN", cpu_limit="1e999", gpu="-1"),
         "select count(*) from quotas_limitset where user_id = {twin_pk}", plain=True),
    Request(KIND, "narrow a list as one may", "/admin/portal/user/?is_active__exact=1", by="root",
            answers=frozenset({200}), control=True),
)  # fmt: skip
