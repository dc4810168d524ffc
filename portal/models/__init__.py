"""People, what is announced to them, and the letters that are on their way to them."""

from portal.models.announcement import Announcement
from portal.models.letter import Letter
from portal.models.user import User

__all__ = ["Announcement", "Letter", "User"]
