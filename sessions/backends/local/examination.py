"""What may go wrong on this machine later, for `portal.doctor`; what is wrong now is `health`'s."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator

from django.utils.translation import gettext as _

from sessions.backends import Problem

from . import people

_PEOPLE = 100_000
"""As many uids are kept free for people's notebooks."""


def examine() -> Iterator[Problem]:
    """Whether the uids of builds and notebooks are nobody else's."""
    if os.geteuid() != 0:
        return
    first = people.builder()
    taken = [each.pw_name for each in pwd.getpwall() if first <= each.pw_uid < first + _PEOPLE]
    if taken:
        message = _("Accounts of this machine have uids that notebooks get, too: %(names)s.")
        hint = _("Set PORTAL_SANDBOX_UID_BASE to where %(count)d uids are free.")
        names = ", ".join(taken[:5])
        yield Problem("local.uids", message % {"names": names}, hint % {"count": _PEOPLE})
