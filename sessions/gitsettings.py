"""Git's settings in every notebook: it works without any set-up. Pure functions, without Django.

They are the system's, so the person's own, and those of a repository, win.
"""

from __future__ import annotations

from urllib.parse import urlsplit

FILE = "gitconfig"
VARIABLE = "GIT_CONFIG_SYSTEM"
"""Names the file to git 2.32 and newer; older ones do without."""

KEY_FORGES = ("github.com", "gitlab.com", "bitbucket.org", "codeberg.org")
"""Forges that take pushes by a person's SSH key, but by a web address only with a token."""


def notebook_settings(name: str, email: str, *, has_key: bool) -> str:
    """Return the text of the file.

    ``name`` and ``email`` are for commits; "" leaves git to ask, and so does a name without a
    letter or digit, which git would refuse. Everything in a notebook is the
    person's own, whichever uid its files have on a shared volume. With a key, pushes to the large
    forges go by ssh.
    """
    lines = ["[safe]", "\tdirectory = *", "[user]"]
    who = {"name": name if any(map(str.isalnum, name)) else "", "email": email}
    lines += [f"\t{key} = {_quoted(value)}" for key, value in who.items() if value]
    for host in KEY_FORGES if has_key else ():
        lines += [f'[url "ssh://git@{host}/"]', f"\tpushInsteadOf = https://{host}/"]
    lines += ["[include]", "\tpath = /etc/gitconfig"]  # last, so that an image's own settings win
    return "\n".join([*lines, ""])


def _quoted(value: str) -> str:
    """Return a value as git's configuration reads it."""
    plain = "".join(each for each in value if each.isprintable())
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def commit_email(email: str, username: str, portal_url: str) -> str:
    """Return the address for commits; one that takes no mail if the portal knows none."""
    return email or f"{username}@users.noreply.{urlsplit(portal_url).hostname or 'localhost'}"
