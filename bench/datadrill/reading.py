"""Read everything again, as a person would: start the notebook and look."""

from __future__ import annotations

from bench.datadrill import notebook
from bench.datadrill.files import Shelf
from bench.datadrill.notebook import PROJECT, VOLUME
from tests.stack import Api, eventually

LIVE = ("ready", "stopped", "failed")
SECONDS = 180.0


def _have_running(api: Api, name: str) -> None:
    """Start the project's notebook if necessary; return when it is ready.

    Raises `AssertionError` if it never is.
    """
    if api.http.get(f"projects/{name}/").status_code == 404:
        api.verb(name, "restore")
    if api.until(name, *LIVE, within=SECONDS)["state"] != "ready":
        api.verb(name, "start")
    api.until(name, "ready", within=SECONDS)


def project(api: Api, name: str, shelf: Shelf) -> dict[str, str | None]:
    """Return the contents of a project's files."""
    return _read(api, name, PROJECT, shelf)


def volume(api: Api, name: str, shelf: Shelf) -> dict[str, str | None]:
    """Return the contents of the files in a person's volume, seen from one of their projects."""
    return _read(api, name, VOLUME, shelf)


def _read(api: Api, name: str, place: str, shelf: Shelf) -> dict[str, str | None]:
    paths = shelf.paths()

    def read() -> tuple[dict[tuple[str, str], str | None]] | None:
        _have_running(api, name)  # again, as a person would: it may have been killed a moment ago
        try:
            return (notebook.read(api, name, [(place, path) for path in paths]),)
        except notebook.NO_ANSWER:
            return None

    (found,) = eventually(read, within=SECONDS, what=f"a look at the files of {name}")
    return {path: found[place, path] for path in paths}
