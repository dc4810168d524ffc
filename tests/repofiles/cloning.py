"""Run the program that clones, as back ends do, and look at what it has left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sessions.repofiles import gitclone
from tests.githttp import GitServer


@dataclass(frozen=True)
class Cloned:
    """The things that the program has left: its status, its answer, its log and its folder."""

    status: int
    answer: dict[str, Any]
    log: str
    folder: Path

    @property
    def notes(self) -> list[str]:
        assert self.status == 0, self.log
        found: list[str] = self.answer["notes"]
        return found

    def read(self, path: str) -> str:
        return (self.folder / path).read_text()

    def git(self, *words: str) -> str:
        """Return what git says in the folder, without anybody's settings."""
        who = ["-c", "user.name=ada", "-c", "user.email=ada@example.org"]
        done = subprocess.run(
            ["git", *who, *words],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), "GIT_CONFIG_NOSYSTEM": "1"},
            capture_output=True,
            text=True,
        )
        return done.stdout if done.returncode == 0 else done.stderr


def clone(
    folder: Path, url: str, commit: str, ref: str = "", limit: int = 10**9, **variables: str
) -> Cloned:
    """Clone into ``folder``, which is made."""
    folder.mkdir(parents=True)
    answer = folder.with_name(f"{folder.name}.json")
    done = subprocess.run(
        [sys.executable, "-I", "-c", gitclone.PROGRAM, url, commit, ref, str(limit), str(answer)],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            **gitclone.environment(plain_http=True),
            **variables,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    found = json.loads(answer.read_text()) if answer.exists() else {}
    return Cloned(done.returncode, found, done.stdout, folder)


def clone_last(
    folder: Path, server: GitServer, name: str, ref: str = "main", **more: Any
) -> Cloned:
    """Clone the last commit of a branch."""
    commit = server.commit(name, f"refs/heads/{ref}")
    return clone(folder, server.url(name), commit, ref, **more)
