"""Check the settings and the site's keys.

Settings: each is valid, and they make sense together. Keys: they stay the same, nobody else can
read them, and they are long enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import ERROR, CheckMessage, run_checks
from django.utils.translation import gettext as _

from . import Finding

SKIPPED_CHECKS = frozenset(
    {"security.W004", "security.W005", "security.W008", "security.W021", "portal.W001"}
)
"""Django's checks that are left out.

They keep browsers at https, which is up to the web server in front, or doctor says the same in
other words.
"""
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


def check_settings() -> Iterator[Finding]:
    """Yield Django's own findings, and those on sign-in, addresses, services and notebooks."""
    for message in run_checks(include_deployment_checks=settings.GATEWAY_SCHEME == "https"):
        if message.id not in SKIPPED_CHECKS and not message.is_silenced():
            yield _from_django(message)
    yield from _check_sign_in()
    yield from _check_addresses()
    yield from _check_services()
    yield from _check_resources()


def _from_django(message: CheckMessage) -> Finding:
    hint = message.hint or _("See docs/configure.md.")
    return Finding(message.id or "django", str(message.msg), hint, advice=message.level < ERROR)


def _check_sign_in() -> Iterator[Finding]:
    if not settings.PORTAL_PASSWORD_SIGN_IN and not settings.OIDC_PROVIDERS:
        yield Finding(
            "doctor.no-sign-in",
            _("Nobody can sign in: passwords are off, and no identity provider is set up."),
            _("Set up a provider (docs/sign-in.md), or set PORTAL_PASSWORD_SIGN_IN=1."),
        )


def _check_addresses() -> Iterator[Finding]:
    host = urlsplit(settings.PORTAL_URL).hostname
    gateway = settings.PORTAL_GATEWAY_DOMAIN.partition(":")[0]
    if host not in _LOCAL and gateway == "localhost":
        yield Finding(
            "doctor.gateway-domain",
            _("The portal is at %(host)s, but its notebooks are below localhost.") % {"host": host},
            _("Set PORTAL_GATEWAY_DOMAIN to a domain whose subdomains all lead to this portal."),
        )
    if host not in _LOCAL and settings.GATEWAY_SCHEME == "http":
        yield Finding(
            "doctor.no-https",
            _("PORTAL_URL begins with http: passwords and tokens can be read in transit."),
            _("Put a web server with a certificate in front (docs/configure.md)."),
            advice=True,
        )
    if host not in _LOCAL and settings.DEBUG:
        yield Finding(
            "doctor.debug",
            _("PORTAL_DEBUG is on: error pages show internals to strangers."),
            _("Unset PORTAL_DEBUG."),
        )


def _check_services() -> Iterator[Finding]:
    on_cluster = settings.PORTAL_BACKEND == "kubernetes"
    if on_cluster and not settings.ENVIRONMENT.text("DATABASE_URL"):
        yield Finding(
            "doctor.sqlite",
            _("Each of the portal's pods would have its own database file."),
            _("Set DATABASE_URL to a PostgreSQL server."),
        )
    if on_cluster and not settings.REDIS_URL:
        yield Finding(
            "doctor.no-redis",
            _("Without Redis, pages show logs and states a few seconds late."),
            _("Set REDIS_URL."),
            advice=True,
        )
    if settings.PORTAL_OPERATORS_MAIL and not settings.PORTAL_EMAIL_URL:
        yield Finding(
            "doctor.operators-mail",
            _("PORTAL_OPERATORS_MAIL is set, but there is no mail server."),
            _("Set PORTAL_EMAIL_URL."),
        )


def _check_resources() -> Iterator[Finding]:
    for low, high in (
        ("PORTAL_CPU_REQUEST", "PORTAL_CPU_LIMIT"),
        ("PORTAL_MEMORY_REQUEST_GB", "PORTAL_MEMORY_LIMIT_GB"),
    ):
        if getattr(settings, low) > getattr(settings, high):
            message = _("%(low)s is more than %(high)s.")
            hint = _("A notebook cannot be guaranteed more than it may use.")
            yield Finding("doctor.request", message % {"low": low, "high": high}, hint)


FILES = ("secret-key", "encryption-key", "admin-password", "db.sqlite3")
"""Files in the data folder that only the portal's user may read."""
KEYS = ("PORTAL_SECRET_KEY", "PORTAL_ENCRYPTION_KEYS")
MIN_KEY_LENGTH = 32


def check_secrets() -> Iterator[Finding]:
    """Yield findings on files that others can read, and on keys that are unset or too short."""
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
                _("%(name)s is not set: each of the portal's pods makes its own.") % {"name": name},
                _("Put one into a Secret that all pods share (docs/kubernetes.md)."),
            )
    for key in (settings.SECRET_KEY, *settings.PORTAL_ENCRYPTION_KEYS):
        if len(key) < MIN_KEY_LENGTH:
            yield Finding(
                "doctor.short-key",
                _("One of the site's keys is shorter than %(count)d characters and can be guessed.")
                % {"count": MIN_KEY_LENGTH},
                _(
                    "Replace PORTAL_SECRET_KEY or PORTAL_ENCRYPTION_KEYS as described in "
                    "docs/keys.md."
                ),
            )
