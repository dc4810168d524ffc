"""People, how they came in, what is announced to them, and the letters on their way to them; and
which installation this is."""

from portal.models.announcement import Announcement
from portal.models.erasure import Erasure
from portal.models.installation import Installation
from portal.models.letter import Letter
from portal.models.usedname import UsedName
from portal.models.user import SignIn, User, may_enter

__all__ = [
    "Announcement",
    "Erasure",
    "Installation",
    "Letter",
    "SignIn",
    "UsedName",
    "User",
    "may_enter",
]
