"""The provider ``gh``: ``owner/repository`` and the pages of github.com."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from django.utils.translation import gettext as _

from sessions.providers.address import Address, refuse
from sessions.providers.forge import Forge

_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_NAME = re.compile(r"(?!\.{1,2}(?:\.git)?$)[A-Za-z0-9._-]{1,100}")


class GitHub(Forge):
    """github.com; its short form is what people mean by two words with a slash."""

    key = "gh"
    label = "GitHub"
    hosts: ClassVar = frozenset({"github.com", "www.github.com"})

    def claims(self, text: str, address: Address | None) -> bool:
        if address is not None and address.host == "raw.githubusercontent.com":
            refuse(
                _(
                    "This is the address of a file's bare content. Paste the address of the"
                    " file's page on GitHub, or that of its repository."
                )
            )
        short = address is None and re.fullmatch("[^/]+/[^/]+/?", text) is not None
        return short or super().claims(text, address)

    def split(self, segments: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
        if len(segments) < 2 or not _OWNER.fullmatch(segments[0]) or not _repository(segments[1]):
            refuse(_("On GitHub a repository is written owner/repository, such as ada/flowers."))
        return segments[:2], segments[2:]


def _repository(name: str) -> bool:
    return bool(_NAME.fullmatch(name)) and name != ".git"
