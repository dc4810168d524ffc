"""What a launch starts from: a repository as a person named it, understood but not looked up.

Made by the providers beside this module, shown on the launch form, and handed to `gitremote`,
which finds the commit.
"""

from __future__ import annotations

from dataclasses import dataclass


def is_private(url: str) -> bool:
    """Whether what git clones is opened by a person's SSH key: then the build is theirs alone."""
    return not url.startswith(("https://", "http://"))


@dataclass(frozen=True)
class Repository:
    """A repository, and what to open in it.

    ``repository`` is its name for people, ``url`` what git clones (https, ssh, or http of a
    trusted host). An empty ``ref`` means the default branch, an empty ``path`` the folder of
    the repository; paths are relative, with ``/``.

    The web address of a file does not say where the branch ends and the path begins, since both
    may hold slashes. Then ``ambiguous_tail`` keeps them together, and ``ref`` and ``path`` are
    the likely reading: a branch without slashes.
    """

    provider: str
    repository: str
    url: str
    ref: str = ""
    path: str = ""
    ambiguous_tail: str = ""

    def readings(self) -> list[tuple[str, str]]:
        """Every (ref, path) that may be meant; the longest ref first, as only one can exist."""
        if not self.ambiguous_tail:
            return [(self.ref, self.path)]
        segments = self.ambiguous_tail.split("/")
        splits = [
            ("/".join(segments[:length]), "/".join(segments[length:]))
            for length in range(len(segments), 0, -1)
        ]
        typed = self.path != splits[-1][1]
        return [(ref, self.path if typed else path) for ref, path in splits]
