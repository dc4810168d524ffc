"""The provider ``git``: a repository on any host, by the address that ``git clone`` takes."""

from __future__ import annotations

import re

from django.utils.translation import gettext as _

from sessions.providers.address import Address, refuse
from sessions.providers.repository import Repository

_SEGMENT = re.compile(r"[\w.~+@=,: -]+")


class Git:
    """Any Git address; what no other provider knows ends here."""

    key = "git"
    label = "Git"

    def claims(self, text: str, address: Address | None) -> bool:
        return address is not None

    def understand(self, text: str, address: Address | None) -> Repository:
        if address is None:
            refuse()
        if address.query:
            refuse(_("Paste the address for cloning; this one has a “?”, as pages have."))
        if not all(_SEGMENT.fullmatch(segment) for segment in address.segments):
            refuse(_("The address holds characters that no repository's address has."))
        return Repository(self.key, address.url, address.url)
