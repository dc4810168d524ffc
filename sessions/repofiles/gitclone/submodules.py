"""Fetch submodules one by one, so that one that cannot be had does not cost the others.

Their addresses are made for their authors, who have keys: an address for ssh of a public repository
is tried by https. What cannot be had stays an empty folder, with a note.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from .command import Ended, ask_git, git_folder, run_git, shown
from .lfsserver import parse_ssh

_WEB_HOSTS = {
    "ssh.github.com": "github.com",
    "altssh.gitlab.com": "gitlab.com",
    "altssh.bitbucket.org": "bitbucket.org",
}
_GITLINK = re.compile(rb"160000 ([0-9a-f]+) 0\t(.+)", re.DOTALL)
_DECLARED = re.compile(r"submodule\.(.+)\.(path|url)\n(.*)", re.DOTALL)
_AWAY = re.compile(
    r"too slow|[Tt]imed out|Could not resolve|Failed to connect|Connection (?:refused|reset)"
    r"|HTTP code 50\d from proxy"
)
_WHYS = (
    (r"not our ref|did not contain|unable to find current revision|Unable to checkout",
     "its commit {commit} is not there"),
    ((r"could not read Username|Authentication failed|not found|error: 40[134]"
     r"|Permission denied|access rights|not appear to be a git repository"),
     "it does not exist there, or is private"),
    (r"Host key verification failed", "its server is not known"),
)  # fmt: skip


class Submodule(NamedTuple):
    """A submodule as a commit has it; ``name`` and ``url`` are "" if ``.gitmodules`` lacks it."""

    path: str
    commit: str
    name: str = ""
    url: str = ""


def submodules(folder: str) -> Iterator[Submodule]:
    """Yield the submodules of the commit that is checked out."""
    declared: dict[str, dict[str, str]] = {}
    file = os.path.join(folder, ".gitmodules")
    words = ("config", "--file", file, "-z", "--get-regexp", r"^submodule\..*\.(path|url)$")
    is_file = os.path.isfile(file) and not os.path.islink(file)
    for line in ask_git(folder, *words).split(b"\0") if is_file else ():
        if found := _DECLARED.fullmatch(os.fsdecode(line)):
            declared.setdefault(found[1], {})[found[2]] = found[3]
    by_path = {each.get("path"): name for name, each in declared.items()}
    for entry in ask_git(folder, "ls-files", "--stage", "-z").split(b"\0"):
        if link := _GITLINK.fullmatch(entry):
            path = os.fsdecode(link[2])
            name = by_path.get(path, "")
            yield Submodule(path, link[1].decode(), name, declared.get(name, {}).get("url", ""))


def addresses(url: str, parent: str, *, has_key: bool) -> list[str]:
    """Return the addresses by which a submodule may be had, the best first.

    ``parent`` is the address of the repository that it belongs to: another one on the same host is
    served in the same way. ``has_key`` means that ssh works here.
    """
    ssh = parse_ssh(url)
    parts = urlsplit(url) if "://" in url else urlsplit("")
    above = urlsplit(parent)
    host, path = (ssh.host, quote(ssh.path)) if ssh else (parts.hostname or "", parts.path)
    is_other = ssh or parts.scheme in {"git", "http"}
    if not is_other or not host or path.startswith(("~", "/~")):
        return [url]
    same = above.hostname == host and above.scheme in {"http", "https"}
    web = f"{above.scheme}://{above.netloc}" if same else f"https://{_WEB_HOSTS.get(host, host)}"
    found = [f"{web}/{path.lstrip('/')}"]
    if parts.scheme == "http":
        return [*found, url]
    return [url, *found] if ssh and has_key else found


def fetch_submodules(
    folder: str, above: str = "", away: set[str] | None = None
) -> Iterator[tuple[str, str]]:
    """Fetch all submodules and theirs: yield the folder of each, and "" or a note.

    ``above`` is the path of ``folder`` in the whole repository, with a slash, or "". A server
    without an answer takes minutes each time, so the others on it are not asked for: it is kept in
    ``away``.
    """
    away = set() if away is None else away
    for each in submodules(folder):
        path = f"{above}{each.path}"
        here = os.path.join(folder, each.path)
        if why := _fetch(folder, each, away):
            where = f" ({shown(each.url)})" if each.url else ""
            yield here, f"The submodule {shown(path)}{where} is empty: {why}."
            continue
        yield here, ""
        yield from fetch_submodules(here, f"{path}/", away)


def _fetch(folder: str, each: Submodule, away: set[str]) -> str:
    """Fetch one submodule; return "", or why it cannot be had.

    Servers that have not answered are added to ``away``, except the one of its parent, which has.
    """
    if not each.url:
        return ".gitmodules has no address for it"
    print(f"Fetching the submodule {shown(each.path)}", flush=True)  # noqa: T201
    setting = f"submodule.{each.name}.url"
    ask_git(folder, "submodule", "init", "--", each.path)
    url = os.fsdecode(ask_git(folder, "config", setting).rstrip(b"\n"))
    parent = os.fsdecode(ask_git(folder, "config", "remote.origin.url").rstrip(b"\n"))
    if url and not _is_remote(url):
        return "its address is not one for https or ssh"
    last = ""
    for address in addresses(url, parent, has_key="GIT_SSH_COMMAND" in os.environ) if url else ():
        if (origin := _origin(address)) in away:
            last = f"fatal: {origin} has not answered before"
            continue
        done = _update(folder, each, address)
        if done.succeeded:
            is_there = os.path.lexists(os.path.join(folder, each.path, ".git"))
            return "" if is_there else ".gitmodules says not to fetch it"
        last = done.last
        if _AWAY.search(last) and origin != _origin(parent):
            away.add(origin)
    ask_git(folder, "submodule", "deinit", "--force", "--", each.path)
    return _why(last, each.commit)


def _update(folder: str, each: Submodule, address: str) -> Ended:
    """Fetch one submodule from this address; return how the last attempt ended."""
    ask_git(folder, "config", f"submodule.{each.name}.url", address)
    for depth in (["--depth=1"], []):  # not every server gives a commit that is no tip
        done = run_git(folder, "submodule", "update", "--progress", *depth, "--", each.path)
        if done.succeeded:
            break
        _clear(folder, each)
        if not re.search(_WHYS[0][0], done.last):
            break
    return done


def _origin(url: str) -> str:
    ssh = parse_ssh(url)
    parts = urlsplit(url)
    if ssh:
        return f"ssh://{ssh.host}:{ssh.port or 22}"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _is_remote(url: str) -> bool:
    return parse_ssh(url) is not None or urlsplit(url).scheme in {"https", "http", "git"}


def _clear(folder: str, each: Submodule) -> None:
    """Remove what a failed attempt has left, so that the next begins anew."""
    path = os.path.join(folder, each.path)
    if os.path.islink(path) or not os.path.isdir(path):
        return
    for name in os.listdir(path):
        inside = os.path.join(path, name)
        is_folder = os.path.isdir(inside) and not os.path.islink(inside)
        shutil.rmtree(inside) if is_folder else os.unlink(inside)
    if ".." not in each.name.split("/"):
        shutil.rmtree(os.path.join(git_folder(folder), "modules", each.name), ignore_errors=True)


def _why(last: str, commit: str) -> str:
    """Return in words why git could not fetch it; ``last`` is what it complained of."""
    for pattern, why in _WHYS:
        if re.search(pattern, last):
            return why.format(commit=commit[:10])
    lines = [line for line in last.splitlines() if line.startswith(("fatal:", "error:"))]
    return shown(lines[0]) if lines else "it could not be fetched"
