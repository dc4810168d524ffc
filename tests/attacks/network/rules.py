"""Repository rules: other spellings of an address that a staff rule allows or bans.

A rule exists only while its attempt runs, and nothing else is launched meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.attacks.acts import Act
from tests.attacks.attempt import ON_ONE_MACHINE
from tests.attacks.cast import World
from tests.attacks.forms import fields

KIND = "rules for repositories"
PATH = "/admin/notebook_sessions/repositoryrule/"
NOT_ALLOWED = frozenset({"launch.repository-not-allowed", "launch.repository-banned"})
OTHER_REFUSALS = frozenset({"launch.repository-has-password", "launch.repository-not-understood",
                            "launch.address-private"})  # fmt: skip
PAST_ALLOWED = {
    "on a host that begins like it": "https://github.com.evil.example/good/x",
    "on a host that ends like it": "https://evilgithub.com/good/x",
    "behind a name and a sign": "https://github.com@evil.example/good/x",
    "in the path of another host": "https://evil.example/github.com/good/x",
    "with a folder that goes back": "https://github.com/good/../evil/x",
    "with an escaped folder that goes back": "https://github.com/good/%2e%2e/evil/x",
    "with an escaped slash": "https://github.com/evil%2fgood/x",
    "of another owner by ssh": "git@github.com:evil/x.git",
    "of another owner by the twin for ssh": "ssh://git@ssh.github.com:443/evil/x.git",
}
PAST_BAN = {
    "in capitals": "https://GitHub.com/EVIL/x",
    "with a dot behind the host": "https://github.com./evil/x",
    "with www": "https://www.github.com/evil/x",
    "by ssh": "git@github.com:evil/x.git",
    "by the twin for ssh": "ssh://git@ssh.github.com:443/evil/x.git",
    "with two slashes": "https://github.com//evil/x",
    "escaped": "https://github.com/%65vil/x",
    "with a dot": "https://github.com/./evil/x",
    "with a port": "https://github.com:443/evil/x",
    "with .git": "https://github.com/evil/x.git",
    "by its short name": "evil/x",
    "with a folder behind it": "https://github.com/evil/x/tree/main",
}


@contextmanager
def _rule(world: World, kind: str, pattern: str) -> Iterator[None]:
    """Have root make a rule, and delete it afterwards."""
    with world.browser("root") as browser:
        data = {"kind": kind, "pattern": pattern, "reason": "an attempt"}
        browser.send_form(f"{PATH}add/", {**fields(browser.get(f"{PATH}add/")), **data})
        row = "select max(id) from notebook_sessions_repositoryrule"
        number = world.row(row)[0]
        assert number, "the rule was not made"
        try:
            yield
        finally:
            browser.send_form(f"{PATH}{number}/delete/", {"post": "yes"})


def _launched(world: World, address: str, ref: str = "") -> str:
    """Return the result of a launch: its error code, or the project, which is deleted again."""
    wish = {"repository": address, **({"ref": ref} if ref else {})}
    with world.api("mallory") as api:
        answer = api.http.post("projects/", json=wish)
        if answer.status_code != 201:
            return str(answer.json()["code"])
        name = answer.json()["name"]
        project = api.until(name, "failed", "ready", within=120) if ref else {"code": ""}
        api.delete(name)
        return str(project["code"]) or f"launched as {name}"


def _past(kind: str, pattern: str, address: str, how: str) -> Act:
    def act(world: World) -> str:
        with _rule(world, kind, pattern):
            code = _launched(world, address)
        return "" if code in NOT_ALLOWED | OTHER_REFUSALS else f"{address}: {code}"

    return Act(KIND, f"get past what is {'allowed' if kind == 'allow' else 'banned'} {how}", act)


def _commit_of_nobody(world: World) -> str:
    """Launch a commit that the host serves for the repository although it is on none of its
    branches, as GitHub does with commits of forks.
    """
    with _rule(world, "allow", "127.0.0.1/good/*"):
        code = _launched(world, world.words["forked"], world.words["fork"])
    return "" if code in NOT_ALLOWED or code.startswith("launch.") else code


def _allowed(address: str) -> Callable[[World], str]:
    def act(world: World) -> str:
        with _rule(world, "allow", "github.com/good/*"):
            code = _launched(world, address)
        return code if code.startswith("launched") else ""

    return act


ATTEMPTS = (
    *(_past("allow", "github.com/good/*", address, how) for how, address in PAST_ALLOWED.items()),
    *(_past("ban", "github.com/evil/*", address, how) for how, address in PAST_BAN.items()),
    Act(KIND, "launch a commit that is on no branch of an allowed repository", _commit_of_nobody,
        backends=ON_ONE_MACHINE),
    Act(KIND, "launch what is allowed", _allowed("https://github.com/good/x"), control=True),
    Act(KIND, "launch what is allowed by ssh", _allowed("git@github.com:good/x.git"), control=True),
)  # fmt: skip
