"""Know the archives that pack everything into one file when asked, and wait until they have."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from .answers import address_in, epoch, get, list_of
from .failures import ArchiveError, busy, missing
from .sources import Ckan, Dataverse, Figshare, Source, Version, Zenodo
from .web import Answer, say

_RESOURCE = re.compile(r"([0-9a-f]{32})(?:/|$)")
_SWHID = re.compile(r"swh:1:(dir|rev):([0-9a-f]{40})")
POLL_SECONDS = 10.0


class HydroShare(Source):
    """HydroShare, which packs a resource when it is asked for."""

    label = "HydroShare"
    api = "https://www.hydroshare.org"

    def resolve(self) -> Version:
        number = self._id()
        found = self.web.json(f"{self.api}/hsapi/resource/{number}/scimeta/elements")
        dates = [each for each in list_of(found, "dates") if get(each, "type") == "modified"]
        modified = epoch(get(dates[0], "start_date") if dates else None)
        return Version(f"{self.api}/resource/{number}", f"{number}.v{modified}")

    def package(self) -> str:
        """Wait for the package, and return its address. Raises `ArchiveError`."""
        self.require_version()
        number = self._id()
        address = f"{self.api}/django_s3/download/bags/{number}.zip"

        def is_there() -> bool:
            with self.web.open(address) as answer:
                return answer.moved or not _is_text(answer)

        _wait_for(is_there, self)
        return address

    @property
    def below(self) -> str:
        """Return the folder of the package that has the files."""
        return f"{self._id()}/data/contents"

    def _id(self) -> str:
        if not (found := _RESOURCE.search(self.path.lower())):
            raise missing("www.hydroshare.org")
        return found[1]


class SoftwareHeritage(Source):
    """Software Heritage, which packs a folder when it is asked for."""

    label = "Software Heritage"
    api = "https://archive.softwareheritage.org/api/1"

    def resolve(self) -> Version:
        if not (found := _SWHID.search(self.path)):
            raise missing("archive.softwareheritage.org")
        kind, number = found.groups()
        if kind == "rev":
            number = str(get(self.web.json(f"{self.api}/revision/{number}/"), "directory"))
        url = f"https://archive.softwareheritage.org/swh:1:dir:{number}"
        return Version(url, number)

    def package(self) -> str:
        """Wait for the package, and return its address. Raises `ArchiveError`."""
        address = f"{self.api}/vault/flat/swh:1:dir:{self.version}/"
        state = self.web.json(address, data=b"")

        def is_there() -> bool:
            nonlocal state
            if get(state, "status") not in {"new", "pending", "done"}:
                raise busy(self.label)
            if get(state, "status") == "done":
                return True
            state = self.web.json(address)
            return bool(get(state, "status") == "done")

        _wait_for(is_there, self)
        return address_in(get(state, "fetch_url"), self.url)


def _wait_for(is_there: Callable[[], bool], source: Source) -> None:
    """Ask again and again until the archive has packed the files; say so in the log."""
    late = ArchiveError(
        "archive.preparing",
        f"{source.label} is still preparing the files. Try again in a few minutes.",
        temporary=True,
    )
    until = time.monotonic() + source.wait
    while not is_there():
        seconds = min(POLL_SECONDS, source.wait / 4)
        if time.monotonic() + seconds > until:
            raise late
        source.web.pause(seconds, f"{source.label} is preparing the files.", late)
    say(f"{source.label} has the files ready")


def _is_text(answer: Answer) -> bool:
    return answer.type.startswith("text/") or answer.type == "application/json"


SOURCES: dict[str, type[Source]] = {
    "zenodo": Zenodo,
    "figshare": Figshare,
    "dataverse": Dataverse,
    "hydroshare": HydroShare,
    "ckan": Ckan,
    "swh": SoftwareHeritage,
}
