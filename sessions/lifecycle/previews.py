"""Make previews: the file that a launch opens, or the README, to read during the build.

A worker's thread reads the file from the repository with git, in the same way on all back ends, and
a process that can do nothing else renders it (`sessions.preview`). A preview is nothing that a
launch depends on: what goes wrong with it is told in its place, or nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.utils import timezone

from portal.lib.text import storable
from sessions.errors import TemporaryError, UserError
from sessions.git import read_file
from sessions.models import Preview, Project
from sessions.models.preview import source_of
from sessions.preview import MAX_INPUT_BYTES
from sessions.preview.run import Rendered, render

from . import sshkey
from .queue import enqueue

READMES = ("README.md", "README.rst", "README.txt", "README", "readme.md")
TEXTS = (".ipynb", ".md", ".markdown", ".rst", ".txt", ".py", ".r", ".rmd", ".qmd", ".jl")
"""Endings of files that can be read; for others, the README is shown."""


def request(project_id: int) -> None:
    """Have the preview made of what the project opens. Those who wait for the same one share it."""
    source = source_of(Project.objects.get(pk=project_id))
    if source is None:
        return
    known = {name: getattr(source, name) for name in ("owner_id", "url", "ref", "commit", "path")}
    row, is_new = Preview.objects.get_or_create(key=source.key, defaults=known)
    if is_new or Preview.objects.filter(pk=row.pk).lost().update(created=timezone.now()):
        enqueue("make_preview", row.pk)


def make(preview_id: int) -> None:
    """Read and render the file, and store the result."""
    row = Preview.objects.select_related("owner").filter(pk=preview_id, made=None).first()
    if row is None:
        return
    try:
        name, rendered = _render(row)
    except TemporaryError:
        row.delete()  # the next launch tries again
        return
    Preview.objects.filter(pk=row.pk, made=None).update(
        name=storable(name, 1000),
        html=storable(rendered.html),
        code=rendered.code,
        made=timezone.now(),
    )


def _render(row: Preview) -> tuple[str, Rendered]:
    """Return the name of the file that is there, and what it says; "" and nothing for none.

    Raises `TemporaryError` if the server is not there.
    """
    try:
        found = read_file.first_file(
            row.url,
            row.commit,
            _candidates(row.path),
            MAX_INPUT_BYTES,
            row.ref,
            sshkey.identity_for(row.owner) if row.owner else None,
        )
    except UserError:  # the launch itself has read the commit, and says what is wrong
        return "", Rendered()
    return (found[0], render(*found)) if found else ("", Rendered())


def _candidates(path: str) -> Iterator[str]:
    """Yield the paths to look for, the best first; ``path`` may be a folder."""
    if path.lower().endswith(TEXTS):
        yield path
    elif path:
        yield from (f"{path}/{name}" for name in READMES)
    yield from READMES
