"""Security headers of pages: not to be framed, not to run others' scripts, not to be cached; and no
address answers with a server error, whatever the query.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.attacks.acts import Act
from tests.attacks.attempt import Attempt, Verdict
from tests.attacks.cast import World
from tests.attacks.wire import Request

KIND = "pages"
PAGES = ("/", "/account/", "/projects/{alice_project}/", "/going/", "/no-such-page/",
         "/api/v1/docs/")  # fmt: skip
OF_STAFF = ("/admin/", "/admin/portal/user/", "/admin/notebook_sessions/project/")
FOUND = frozenset({200, 404})
ODD = {
    "NUL": "%00",
    "no UTF-8": "%ff%fe",
    "a lone surrogate": "%ed%a0%80",
    "a 26-digit number": "9" * 26,
    "a negative number": "-1",
    "infinity": "1e999",
    "no number": "NaN",
    "a script": "%3Cscript%3E",
    "a quote": "%27%22",
    "4,000 characters": "x" * 4_000,
    "right-to-left": "%E2%80%AE",
}
FIELDS = ("q", "p", "o", "e", "page", "id", "id__exact", "after", "limit", "offset", "owner", "state",
          "created__gte", "timestamp__gte", "object_id", "group", "pk__in", "all", "_popup", "next",
          "repository", "ref", "path", "cursor", "ordering", "format", "tab", "days", "from", "to",
          "created", "since", "until", "user", "actor", "action", "live", "_changelist_filters")  # fmt: skip
ADMIN = (
    "portal/user", "portal/announcement", "portal/letter", "portal/erasure", "portal/installation",
    "quotas/limitset", "quotas/grant", "quotas/limitrequest", "quotas/supportbounds",
    "notebook_sessions/project", "notebook_sessions/session", "notebook_sessions/build",
    "notebook_sessions/repositoryrule", "notebook_sessions/removal", "notebook_sessions/setaside",
    "keys/token", "keys/knownhost", "auditlog/logentry", "auth/group",
)  # fmt: skip
OF_PEOPLE = ("/", "/projects/", "/account/", "/understand/", "/going/", "/sign-in/",
             "/projects/{alice_project}/", "/projects/{alice_project}/log.txt",
             "/api/v1/projects/", "/api/v1/projects/{alice_project}/events/", "/api/v1/tokens/",
             "/api/v1/me/", "/health", "/api/v1/schema/", "/v2/gh/o/r/main", "/repo/o/r/x", "/badge.svg")  # fmt: skip


@dataclass(frozen=True)
class Sweep(Attempt):
    """One odd value in every field of many addresses, sent by a person who may see them all: none
    is answered with a server error.
    """

    value: str
    addresses: tuple[str, ...] = field(default=())
    by: str = field(default="root", kw_only=True)

    def tried(self, world: World) -> Verdict:
        faults: list[str] = []
        with world.browser(self.by) as browser:
            for address in map(world.filled, self.addresses):
                for query in self._queries():
                    answer = browser.get(f"{address}?{query}")
                    if answer.status_code >= 500 and answer.status_code != 503:
                        faults.append(f"{address}?{query[:60]}: {answer.status_code}")
        return self.judge(faults[:5], f"{len(self.addresses)} addresses answered")

    def _queries(self) -> Iterator[str]:
        """Yield queries with six fields each: one query per field takes too long, and finds the
        same.
        """
        for start in range(0, len(FIELDS), 6):
            yield "&".join(f"{name}={self.value}" for name in FIELDS[start : start + 6])


def _lists() -> tuple[str, ...]:
    return ("/admin/", *(f"/admin/{name}/" for name in ADMIN))


def _things() -> tuple[str, ...]:
    """Return pages of one thing, with numbers that no thing has."""
    numbers = ("0", "-1", "9" * 26, "x", "_5F", "%00", "1e9", "__class__")
    return tuple(f"/admin/{name}/{number}/change/" for name in ADMIN for number in numbers)


def _ids(world: World) -> str:
    """Return the addresses with malformed numbers that are answered with a server error."""
    faults = []
    with world.browser("root") as browser:
        for address in _things():
            status = browser.get(address).status_code
            if status >= 500:
                faults.append(f"{address}: {status}")
    return ", ".join(faults[:5])


def _cookie_flags(world: World) -> str:
    """Return what is wrong with the cookie that a sign-in sets."""
    with world.browser("") as browser:
        browser.get("/sign-in/")
        answer = browser.get("/sign-in/")
        lines = answer.headers.get_list("set-cookie") or browser.get("/").headers.get_list(
            "set-cookie"
        )
    wrong = [
        line for line in lines if "httponly" not in line.lower() or "samesite" not in line.lower()
    ]
    return ", ".join(wrong)


ATTEMPTS = (
    *(
        Request(KIND, f"frame {path}", path, by="alice", answers=FOUND, having=("frame-ancestors 'none'",))
        for path in PAGES[:5]
    ),
    *(
        Request(KIND, f"frame {path} of staff", path, by="root", answers=FOUND,
                having=("frame-ancestors 'none'", "DENY"))
        for path in OF_STAFF
    ),
    *(
        Request(KIND, f"run one's script on {path}", path, by="alice", answers=FOUND,
                having=("default-src 'self'",), without=("'unsafe-inline'", "'unsafe-eval'"))
        for path in PAGES[:5]
    ),
    *(
        Request(KIND, f"have {path} taken for another kind of file", path, by="alice", answers=FOUND,
                having=("nosniff",))
        for path in (*PAGES[:4], "/projects/{alice_project}/log.txt")
    ),
    *(
        Request(KIND, f"have {path} kept by a server between", path, by="alice", answers=FOUND,
                without=("control: public", ", public", "s-maxage"))
        for path in PAGES[:5]
    ),
    Act(KIND, "read the portal's cookie by a script", _cookie_flags),
    *(Sweep(KIND, f"send {what} in every field of the admin", value, _lists(), long=True)
      for what, value in ODD.items()),
    *(Sweep(KIND, f"send {what} in every field of pages and the API", value, OF_PEOPLE, by="alice",
              long=what not in {"NUL", "a 26-digit number"})
      for what, value in ODD.items()),
    Act(KIND, "ask the admin for things of malformed numbers", _ids),
)  # fmt: skip
