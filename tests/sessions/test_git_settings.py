"""Git's settings in notebooks, as git itself reads them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from sessions.jupyter import GIT_VARIABLE, commit_email, git_settings

OTHER_OWNER = "GIT_TEST_ASSUME_DIFFERENT_OWNER"
"""Git's own variable for tests: every repository counts as somebody else's."""


def said(home: Path, settings: str, *words: str, cwd: Path | None = None) -> str:
    """Return what git says with these settings of the system's."""
    (home / "system").write_text(settings)
    other = {OTHER_OWNER: os.environ[OTHER_OWNER]} if OTHER_OWNER in os.environ else {}
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        GIT_VARIABLE: str(home / "system"),
        **other,
    }
    done = subprocess.run(
        ["git", *words], cwd=cwd or home, env=variables, capture_output=True, text=True
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "name", ["Ada Lovelace", 'Ada "the\\first"', "Ada; # no comment", "Ädä\nx = y", "[user]"]
)
def test_commits_carry_the_persons_name_whatever_is_in_it(tmp_path: Path, name: str):
    settings = git_settings(name, "ada@example.org", has_key=False)
    found = said(tmp_path, settings, "config", "user.name")
    assert found == name.replace("\n", "") + "\n"
    assert said(tmp_path, settings, "config", "user.email") == "ada@example.org\n"


def test_the_persons_own_settings_win(tmp_path: Path):
    (tmp_path / ".gitconfig").write_text("[user]\n\tname = Countess\n")
    settings = git_settings("Ada", "ada@example.org", has_key=False)
    assert said(tmp_path, settings, "config", "user.name") == "Countess\n"


def test_git_works_in_folders_of_another_owner(tmp_path: Path, monkeypatch):
    folder = tmp_path / "volume"
    folder.mkdir()
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    monkeypatch.setenv(OTHER_OWNER, "1")
    assert "dubious ownership" in said(tmp_path, "", "status", cwd=folder)
    assert "name" not in git_settings("<.>", "", has_key=False)  # git would refuse it
    settings = git_settings("Ada", "", has_key=False)
    assert "No commits yet" in said(tmp_path, settings, "status", cwd=folder)


def test_pushes_to_forges_use_the_key_and_fetches_do_not(tmp_path: Path):
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    url = "https://github.com/ada/flowers.git"
    said(tmp_path, "", "remote", "add", "origin", url)
    with_key = git_settings("Ada", "", has_key=True)
    remote = ("remote", "get-url", "origin")
    assert said(tmp_path, with_key, *remote) == f"{url}\n"
    assert said(tmp_path, with_key, *remote[:2], "--push", "origin") == (
        "ssh://git@github.com/ada/flowers.git\n"
    )
    without = git_settings("Ada", "", has_key=False)
    assert said(tmp_path, without, *remote[:2], "--push", "origin") == f"{url}\n"


def test_an_unknown_address_becomes_one_that_takes_no_mail():
    assert commit_email("ada@x.org", "ada", "https://p.example.org") == "ada@x.org"
    assert commit_email("", "ada", "https://p.example.org:8443/x") == (
        "ada@users.noreply.p.example.org"
    )
