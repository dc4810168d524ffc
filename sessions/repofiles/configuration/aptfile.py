"""Read `apt.txt`: the Debian packages that a repository needs.

repo2docker wants one name on each line. Everything that apt takes as the name of a package is
understood, several on a line, and whole commands such as ``sudo apt-get install -y tree``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# Debian Policy 5.6.1 and 5.6.12, and how apt-get(8) selects an architecture, version or release.
_PACKAGE = re.compile(
    r"[a-z0-9][a-z0-9+.-]*(?::[a-z0-9-]+)?(?:=[A-Za-z0-9.+:~*-]+|/[a-z0-9][a-z0-9.+-]*)?"
)
_BULLET = re.compile(r"[-*•]\s+")
_COMMANDS = re.compile(r"&&|;|\|\|")
_PROGRAMS = frozenset({"sudo", "apt", "apt-get", "aptitude"})
_VERBS = frozenset({"install", "update", "upgrade"})
_MAX_QUOTED = 60


def packages(text: str) -> tuple[str, ...]:
    """Return the packages, sorted, each once. Raises `ValueError` with a sentence."""
    found = {
        package
        for number, line in enumerate(text.replace("\\\n", " \n").splitlines(), 1)
        for command in _COMMANDS.split(line.partition("#")[0])
        for package in _packages(number, command.strip())
    }
    return tuple(sorted(found))


def _packages(number: int, command: str) -> Iterator[str]:
    words = _BULLET.sub("", command, count=1).replace(",", " ").split()
    is_command = bool(words) and words[0] in _PROGRAMS
    while words and words[0] in _PROGRAMS:
        words = words[1:]
        while words and words[0].startswith("-"):
            words = words[1:]
    if is_command:
        verb, words = (words[0], words[1:]) if words else ("", [])
        if verb not in _VERBS:
            raise _refusal(number, command)
        words = [] if verb != "install" else [word for word in words if not word.startswith("-")]
    for word in words:
        # Names have no capitals, but versions may.
        name, mark, version = word.strip("\"'").partition("=")
        package = f"{name.lower()}{mark}{version}"
        if not _PACKAGE.fullmatch(package):
            raise _refusal(number, word)
        yield package


def _refusal(number: int, found: str) -> ValueError:
    short = found if len(found) <= _MAX_QUOTED else f"{found[: _MAX_QUOTED - 1]}…"
    return ValueError(
        f"line {number} of apt.txt has “{short}”, which is not the name of a Debian package. Write "
        "one package name per line, without apt-get install."
    )
