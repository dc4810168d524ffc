"""Restore a backup beside the running portal and inspect the result.

``manage.py rehearse_restore`` makes a separate folder and database, restores into them with
``manage.py restore`` as for real, inspects the result (`find_problems`) and removes both. It asks
nothing of the cluster, Redis, a mail server or an identity provider, and starts no process of a
portal, which might send letters.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.db import DatabaseError, connection
from django.test import Client
from django.urls import reverse
from django.utils.translation import gettext as _

from keys.sealing import count_unreadable
from portal.backup import database, manifest
from portal.backup.create import KEYS
from portal.backup.postgresql import quote
from portal.backup.programs import BackupError
from portal.health.doctor.storage import SEALED_COLUMNS
from portal.models import User
from portal.run import static_files
from sessions.models import Project

MAX_PEOPLE = 20
"""How many people's pages are opened."""
MAX_SEALED_ROWS = 1000


def find_problems() -> Iterator[str]:
    """Yield a sentence for everything that is wrong: columns that stay sealed, pages that fail."""
    static_files.refresh()
    yield from find_unreadable_columns()
    yield from _check_page(Client(), reverse("home"), _("nobody"))
    for person in _people():
        client = Client()
        client.force_login(person)
        names = Project.objects.filter(owner=person).existing().values_list("name", flat=True)
        pages = [reverse("home"), *(reverse("project", args=[name]) for name in names[:3])]
        for page in pages:
            yield from _check_page(client, page, person.username)


def _people() -> list[User]:
    """Return people who have projects and may sign in."""
    owners = User.objects.filter(projects__removed__isnull=True, is_active=True).distinct()
    return [person for person in owners.order_by("-pk")[:MAX_PEOPLE] if person.may_enter]


def find_unreadable_columns() -> Iterator[str]:
    """Yield a sentence for each column that the encryption keys do not open."""
    for column in SEALED_COLUMNS:
        if lost := count_unreadable(column, MAX_SEALED_ROWS):
            text = _(
                "%(what)s: %(lost)d cannot be decrypted with this encryption key. Pass the "
                "folder that has the keys (--keys)."
            )
            yield text % {"what": column.model._meta.verbose_name_plural, "lost": lost}


def _check_page(client: Client, address: str, reader: str) -> Iterator[str]:
    try:
        status = client.get(address, headers={"host": settings.ALLOWED_HOSTS[-1]}).status_code
    except Exception as error:  # noqa: BLE001  any error is a finding
        yield _("%(page)s fails for %(who)s: %(why)r") % {
            "page": address, "who": reader, "why": error,
        }  # fmt: skip
        return
    if status != 200:
        words = {"page": address, "who": reader, "status": status}
        yield _("%(page)s returns %(status)d for %(who)s") % words


_DROPPED_PREFIXES = (
    "OIDC_", "PORTAL_EMAIL_", "PORTAL_OPERATORS_MAIL", "REDIS_URL", "DATABASE_URL", "PORTAL_URL",
    "PORTAL_HOST", "PORTAL_PORT", "PORTAL_GATEWAY_DOMAIN", "PORTAL_BACKEND", "PORTAL_DATA",
)  # fmt: skip
"""Prefixes of variables that would lead outside, or to the running portal."""


@contextmanager
def scratch_folder(place: Path, source: Path, *, keep: bool) -> Iterator[Path]:
    """Yield a new data folder in ``place``; remove it at the end, unless it is to ``keep``.

    Raises `BackupError` if the backup in ``source`` does not fit.
    """
    size = sum(path.stat().st_size for path in source.rglob("*") if path.is_file())
    if (free := shutil.disk_usage(place).free) < size:
        text = _(
            "%(place)s has %(free)d MB free, but the backup needs %(size)d. Choose another --place."
        )
        words = {"place": place, "free": free // 10**6, "size": size // 10**6 + 1}
        raise BackupError(text % words)
    folder = Path(tempfile.mkdtemp(prefix="bindery-rehearsal-", dir=place))
    try:
        yield folder
    finally:
        if not keep:
            subprocess.run(["rm", "-rf", "--", folder], check=False)


@contextmanager
def scratch_database(*, keep: bool) -> Iterator[str]:
    """Yield the URL of a new database beside the portal's; "" for SQLite, a file in the folder.

    Raises `BackupError` if none can be made.
    """
    if database.kind() == "sqlite":
        yield ""
        return
    name = f"bindery_rehearsal_{secrets.token_hex(4)}"
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {quote(name)} TEMPLATE template0")
    except DatabaseError as error:
        text = _(
            "Cannot create a database for the rehearsal (%(why)s). Create an empty one and "
            "pass its URL with --database."
        )
        raise BackupError(text % {"why": str(error).strip()}) from error
    try:
        url = settings.ENVIRONMENT.text("DATABASE_URL")
        yield urlsplit(url)._replace(path=f"/{name}").geturl()
    finally:
        if not keep:
            with connection.cursor() as cursor:
                cursor.execute(f"DROP DATABASE IF EXISTS {quote(name)} WITH (FORCE)")


def rehearse(source: Path, folder: Path, url: str, keys: Path | None) -> Iterator[str]:
    """Restore the backup in ``source`` into ``folder`` and inspect it; yield each step's output.

    ``url`` is the database's, "" for SQLite in ``folder``. ``keys`` is a folder with the encryption
    keys, which replace those of ``folder``.

    Raises `BackupError` with the output of the step that failed.
    """
    manifest.read(source)
    for key in KEYS if keys else ():
        if keys and (keys / key).exists():
            shutil.copy2(keys / key, folder / key)
    variables = isolated_environment(os.environ, folder, url)
    output = _run_command(["restore", str(source)], variables).splitlines()
    yield "\n".join(output[:-1])  # the last line says to start the portal
    yield _run_command(["rehearse_restore", "--inspect", str(source)], variables)


def isolated_environment(variables: Mapping[str, str], folder: Path, url: str) -> dict[str, str]:
    """Return the variables for a portal in this folder that is cut off from everything else.

    ``variables`` are those of this process, ``url`` is the database's, "" for SQLite.
    """
    kept = {
        name: value for name, value in variables.items() if not name.startswith(_DROPPED_PREFIXES)
    }
    apart = {"PORTAL_DATA": str(folder), "PORTAL_BACKEND": "local"}
    return {**kept, **apart, **({"DATABASE_URL": url} if url else {})}


def _run_command(words: list[str], variables: dict[str, str]) -> str:
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), *words, "--skip-checks"]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BackupError((done.stdout + done.stderr).strip()[-4000:])
    return done.stdout.strip()
