"""Check every file at the end: each has to be as its person left it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.datadrill import reading
from bench.datadrill.writers import Writer


def lost(writers: Sequence[Writer]) -> Iterator[str]:
    """Yield a sentence for each file that is not as its person left it."""
    for writer in writers:
        for work in writer.works:
            try:
                found = reading.project(writer.asker.api, work.name, work.shelf)
            except AssertionError as error:
                yield f"{work.name} cannot be read: {error}"
                continue
            yield from work.shelf.lost(found)
        if writer.works:
            last = writer.works[-1].name
            try:
                found = reading.volume(writer.asker.api, last, writer.volume)
            except AssertionError as error:
                yield f"the volume of {writer.name} cannot be read: {error}"
                continue
            yield from writer.volume.lost(found)
