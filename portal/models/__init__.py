"""Models of the site: people, their sign-ins, announcements, letters, and the installation's id."""

from portal.models.erasure import Erasure, UsedName
from portal.models.installation import Installation
from portal.models.mail import Announcement, Letter
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
