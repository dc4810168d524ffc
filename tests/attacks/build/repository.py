"""Repositories that are built, and secrets that must not be in their logs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.attacks.attempt import Attempt, Verdict
from tests.attacks.cast import World
from tests.githttp import GitServer
from tests.stack import Api

PASSWORDS = ("root:x:0:0", "root:*:", "BEGIN OPENSSH PRIVATE KEY")

AT_ONCE = 3
"""Builds that run at the same time."""


@dataclass(frozen=True)
class Repository(Attempt):
    """A repository made of ``files``, which is launched. It held if the project ends with one of
    ``codes`` (or with none, which means ready), and its output contains neither a secret of the
    portal nor any of ``without``.
    """

    files: Mapping[str, str]
    codes: frozenset[str]
    without: tuple[str, ...] = field(default=PASSWORDS, kw_only=True)

    def begin(self, world: World, git: GitServer, api: Api) -> str:
        """Launch the repository and return the project's name."""
        digest = hashlib.sha256(self.name.encode()).hexdigest()[:10]
        files = {path: world.filled(text) for path, text in self.files.items()}
        scripts = [path for path in files if path in {"postBuild", "start"}]
        return api.launch(git.repository(f"alice/attack-{digest}", files, executable=scripts))

    def end(self, world: World, api: Api, name: str) -> Verdict:
        """Return the verdict once the project has ended or is ready."""
        project = api.until(name, "failed", "ready", within=240)
        said = "\n".join([project["message"], *api.log(name)])
        seen = [each[:6] for each in (*world.secrets, *self.without) if each in said]
        told = f"{project['state']} {project['code']}: {project['message'][:300]}"
        if seen:
            return Verdict(self.severity, f"{seen} in {told}")
        if project["code"] not in self.codes:
            return Verdict(self.severity, told)
        return Verdict("held", told)


def built(world: World, git: GitServer, repositories: list[Repository]) -> dict[str, Verdict]:
    """Launch them, some at once, and return the verdicts once all have finished."""
    found = {}
    with world.api("carol") as carol:
        for start in range(0, len(repositories), AT_ONCE):
            some = repositories[start : start + AT_ONCE]
            names = [each.begin(world, git, carol) for each in some]
            for each, name in zip(some, names, strict=True):
                found[str(each)] = each.end(world, carol, name)
                carol.delete(name)
    return found
