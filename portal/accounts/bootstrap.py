"""Create the first account of an embedded portal; `manage.py up` calls it."""

from __future__ import annotations

import secrets
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from portal.lib.datafolder import write_once
from portal.models import User

USERNAME = "admin"


def ensure_admin() -> str:
    """Create the account if there is none at all, and return its password for the screen.

    Returns "" if there was an account already; `describe_password` can then tell which password it
    has. A generated password is shown this once, and kept in a file that only the portal's own user
    can read, for as long as people leave it there.
    """
    if User.objects.exists():
        return ""
    path = _path()
    given = settings.PORTAL_ADMIN_PASSWORD
    password = given or _stored_password(path)
    User.objects.create_superuser(USERNAME, password=password)
    if given:
        return _("the one in PORTAL_ADMIN_PASSWORD")
    return _("%(password)s (also in %(path)s)") % {"password": password, "path": path}


def describe_password() -> str:
    """Return, for the screen, which password the existing account has.

    Comparing a password takes half a second of processor time.
    """
    path = _path()
    account = User.objects.filter(username=USERNAME).first()
    if account and path.exists() and account.check_password(path.read_text().strip()):
        return _("the one in %(path)s") % {"path": path}
    given = settings.PORTAL_ADMIN_PASSWORD
    if account and given and account.check_password(given):
        return _("the one in PORTAL_ADMIN_PASSWORD")
    return _(
        "the one you set after the first start; run “manage.py changepassword admin” to set another"
    )


def _path() -> Path:
    return Path(settings.PORTAL_DATA) / "admin-password"


def _stored_password(path: Path) -> str:
    """Return the file's password; a start that was interrupted may have written it already."""
    return write_once(path, secrets.token_urlsafe(12) + "\n").strip()
