"""The account with which the embedded portal is entered first. `manage.py up` makes it."""

from __future__ import annotations

import secrets
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from portal.lib.datafolder import written_once
from portal.models import User

USERNAME = "admin"


def ensure() -> str:
    """Make the account if nobody has one yet; say for the screen which password it has, or ""
    where there was one already, of which `known` can tell.

    A password that we make up is shown this once, and kept in a file that only the portal's own
    user can read, for as long as it is wanted there.
    """
    if User.objects.exists():
        return ""
    path = _path()
    given = settings.PORTAL_ADMIN_PASSWORD
    password = given or _kept(path)
    User.objects.create_superuser(USERNAME, password=password)
    if given:
        return _("the one in PORTAL_ADMIN_PASSWORD")
    return _("%(password)s (also in %(path)s)") % {"password": password, "path": path}


def known() -> str:
    """Which password the account has that was there already, for the screen. Comparing one takes a
    processor half a second."""
    path = _path()
    account = User.objects.filter(username=USERNAME).first()
    if account and path.exists() and account.check_password(path.read_text().strip()):
        return _("the one in %(path)s") % {"path": path}
    given = settings.PORTAL_ADMIN_PASSWORD
    if account and given and account.check_password(given):
        return _("the one in PORTAL_ADMIN_PASSWORD")
    return _("the one set since the first start; “manage.py changepassword admin” sets another")


def _path() -> Path:
    return Path(settings.PORTAL_DATA) / "admin-password"


def _kept(path: Path) -> str:
    """What the file holds; a start that was interrupted may have written it already."""
    return written_once(path, secrets.token_urlsafe(12) + "\n").strip()
