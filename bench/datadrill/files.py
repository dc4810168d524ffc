"""Keep track of the files that people have written, and of what each may hold by now."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field


@dataclass
class Contents:
    """The possible contents of a file; None means that there is no file.

    ``sure`` is the last that a notebook confirmed. ``perhaps`` has been sent without confirmation,
    and may be written at any time.
    """

    sure: str | None = None
    perhaps: list[str | None] = field(default_factory=list)

    def allows(self, found: str | None) -> bool:
        """Return whether a file with this content was not lost."""
        return found == self.sure or found in self.perhaps


class Shelf:
    """The files of one place, a project or a person's volume, by their paths in it.

    One thread writes to a project, and one person's thread to a volume.
    """

    def __init__(self, place: str, files: Mapping[str, Contents] | None = None) -> None:
        self.place = place
        self._files = dict(files or {})
        self._lock = threading.Lock()

    def begin(self, texts: Mapping[str, str | None]) -> None:
        """Note that these are being written."""
        with self._lock:
            for path, text in texts.items():
                self._files.setdefault(path, Contents()).perhaps.append(text)

    def done(self, texts: Mapping[str, str | None]) -> None:
        """Note that these were written."""
        with self._lock:
            for path, text in texts.items():
                self._files[path].perhaps.remove(text)
                self._files[path].sure = text

    def paths(self) -> list[str]:
        """Return the paths of all files, sorted."""
        with self._lock:
            return sorted(self._files)

    def copy(self) -> Shelf:
        """Return a snapshot, to be compared with a backup."""
        with self._lock:
            return Shelf(self.place, deepcopy(self._files))

    def may_hold(self, path: str, text: str | None) -> bool:
        """Return whether this is what was, or may have been, written there last."""
        return self._files.get(path, Contents()).allows(text)

    def lost(self, found: Mapping[str, str | None], since: Shelf | None = None) -> Iterator[str]:
        """Yield a sentence for each file that does not hold what it should.

        ``since`` are the same files later on: anything written in between is fine, too.
        """
        for path, contents in sorted(self._files.items()):
            text = found.get(path)
            if not (contents.allows(text) or (since and since.may_hold(path, text))):
                yield f"{self.place}: {path!r} holds {_short(text)}, not {_short(contents.sure)}"


def _short(text: str | None) -> str:
    return "nothing" if text is None else repr(text[:60])
