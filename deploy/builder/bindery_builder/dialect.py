"""Know what a version of buildah understands of Dockerfiles, so that the rest is said at once.

Options that change nothing in the image are left out for versions that do not know them; others are
refused before anything is pulled.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from .plainparser import Instruction, Unreadable

_HERE_DOCUMENTS: Final = (1, 33)
_LINK: Final = (1, 41)
_OPTIONS: Final = {
    "COPY": {"--from", "--chown", "--chmod"},
    "ADD": {"--chown", "--chmod"},
    "RUN": {"--mount"},
    "HEALTHCHECK": {"--interval", "--timeout", "--start-period", "--retries"},
}
"""The options of version 1.28, by instruction."""
_LATER_OPTIONS: Final = {
    "COPY": {"--exclude"},
    "ADD": {"--exclude", "--checksum"},
    "RUN": {"--network"},
    "HEALTHCHECK": {"--start-interval"},
}
"""Options that version 1.39 has besides. Of versions from `_LINK` on, nothing is assumed."""
_OCTAL: Final = re.compile(r"--chmod=(?:[0-7]{3,4}|.*\$.*)\Z")


@dataclass(frozen=True)
class Dialect:
    """A buildah by what it reads: here-documents, ``--link`` with all that is newer still."""

    here_documents: bool = True
    link: bool = True

    def flags(self, found: Instruction) -> tuple[str, ...]:
        """Return the options of an instruction for this buildah. Raises `Unreadable`."""
        flags = found.flags
        if not self.link and found.keyword in {"COPY", "ADD"}:
            # It only allows layers to be reused.
            flags = tuple(flag for flag in flags if flag.partition("=")[0] != "--link")
        if not self.link:
            for flag in flags:
                self._check(found, flag)
        return flags

    def _check(self, found: Instruction, flag: str) -> None:
        name = flag.partition("=")[0]
        known = _OPTIONS.get(found.keyword, {name})
        if self.here_documents:
            known = known | _LATER_OPTIONS.get(found.keyword, set())
        if name not in known:
            why = f"the option {name[:40]} needs a newer buildah than this portal has"
            raise Unreadable(found.line, why)
        if name == "--chmod" and not _OCTAL.match(flag):
            raise Unreadable(found.line, f"{flag[:40]!r} has to be an octal number")


NEWEST: Final = Dialect()


def of_version(text: str) -> Dialect:
    """Return the dialect of a buildah that calls itself so; the oldest if that says nothing."""
    found = re.search(r"(\d+)\.(\d+)", text)
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    return Dialect(here_documents=version >= _HERE_DOCUMENTS, link=version >= _LINK)
