"""The site's keys: that they stay the same, and that nobody else reads them."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.utils.translation import gettext as _

from portal.doctor.finding import Finding

FILES = ("secret-key", "encryption-key", "admin-password", "db.sqlite3")
"""What is in the data folder and the portal's own user's alone."""
KEYS = ("PORTAL_SECRET_KEY", "PORTAL_ENCRYPTION_KEYS")
SHORTEST = 32


def check() -> Iterator[Finding]:
    for name in FILES:
        path = settings.PORTAL_DATA / name
        if path.exists() and path.stat().st_mode & 0o077:
            yield Finding(
                "doctor.readable",
                _("Other users of this machine can read %(path)s.") % {"path": path},
                _("chmod 600 %(path)s; then replace the key (docs/keys.md).") % {"path": path},
            )
    for name in KEYS:
        if settings.PORTAL_BACKEND == "kubernetes" and not settings.ENVIRONMENT.text(name):
            yield Finding(
                "doctor.own-key",
                _("%(name)s is not set: each pod of the portal makes one of its own.")
                % {"name": name},
                _("Put one into a Secret that all of them get (docs/kubernetes.md)."),
            )
    for key in (settings.SECRET_KEY, *settings.PORTAL_ENCRYPTION_KEYS):
        if len(key) < SHORTEST:
            yield Finding(
                "doctor.short-key",
                _("One of the site's keys has fewer than %(count)d characters: it can be guessed.")
                % {"count": SHORTEST},
                _("Replace PORTAL_SECRET_KEY or PORTAL_ENCRYPTION_KEYS as docs/keys.md says."),
            )
