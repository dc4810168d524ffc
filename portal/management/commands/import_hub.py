"""``manage.py import_hub``: take over the people of a JupyterHub or BinderHub.

`portal.accounts.hub` does it; without ``--apply``, nothing is changed.
"""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from portal.accounts.hub import plan, source
from portal.accounts.hub.plan import ImportOptions, Step
from portal.roles import ROLES
from quotas.fields import FIELDS
from sessions.backends import get_backend
from sessions.backends.kubernetes.labels import volume_labels
from sessions.errors import BinderyError

T = TypeVar("T")
TOKEN, DATABASE = "JUPYTERHUB_API_TOKEN", "HUB_DATABASE_URL"
_TEXTS = {"--issuer": "the identity provider, exactly as OIDC_OP_ISSUER"}
_FILES = {
    "--token-file": "a file with the token",
    "--subjects": "a CSV file without a header: name in the hub, subject at the provider",
    "--mapping": "a JSON file with usernames and limits",
    "--claims": "what kubectl get persistentvolumeclaims -o json prints of the hub's namespace",
    "--manifests": "write the claims that take over people's volumes into this file",
}
_FLAGS = {
    "--names-are-subjects": "the hub's usernames are the provider's subjects",
    "--adopt-volumes": "with --apply: accept the claims that are in place already",
    "--apply": "do it; without it, only say what would be done",
}


class Command(BaseCommand):
    """The command ``import_hub``."""

    help = (
        "Make accounts, groups and limits for the people of a JupyterHub, and show which volume "
        "is whose. Only shows what would be done, unless --apply is given. It can be repeated."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the source, the files that complete it, and what is to be done."""
        where = parser.add_mutually_exclusive_group(required=True)
        where.add_argument("--api", help=f"address of the hub's API; token in {TOKEN} or a file")
        where.add_argument("--sqlite", help="the hub's database, jupyterhub.sqlite, or a copy")
        where.add_argument(
            "--postgresql", action="store_true", help=f"the database whose URL is in {DATABASE}"
        )
        for name, words in _TEXTS.items():
            parser.add_argument(name, default="", help=words)
        for name, words in _FILES.items():
            parser.add_argument(name, type=Path, help=words)
        for name, words in _FLAGS.items():
            parser.add_argument(name, action="store_true", help=words)
        parser.add_argument(
            "--admins-as", default="", choices=["", *ROLES], help="the role of the hub's admins"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            people = _people(options)
        except source.UnreadableHub as error:
            raise CommandError(str(error)) from None
        wanted = _import_options(options, [person.name for person in people])
        steps = plan.plan(people, _claims(options, people), wanted)
        _apply(steps, wanted, dry_run=not options["apply"])
        if options["apply"] and options["adopt_volumes"]:
            _adopt_volumes(steps)
        self._show(steps, applied=options["apply"])
        if options["manifests"]:
            _write_manifests(options["manifests"], steps)

    def _show(self, steps: Iterable[Step], *, applied: bool) -> None:
        rows = [(_("in the hub"), _("here"), _("action"), _("groups"), _("volume"))]
        notes = []
        for step in steps:
            claim = next((each.name for each in step.claims if not each.server), "")
            volume = f"{claim or '–'} → {step.volume}-nfs-pvc" if step.username else "–"
            rows.append(
                (step.person.name, step.username, step.action, ", ".join(step.groups), volume)
            )
            notes += [f"{step.person.name}: {note}" for note in step.notes]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.stdout.write("  ".join(cells).rstrip())
        for note in notes:
            self.stdout.write(note)
        counts = Counter(row[2] for row in rows[1:])
        self.stdout.write(
            ", ".join(f"{count} {action}" for action, count in sorted(counts.items()))
        )
        if not applied:
            self.stdout.write(_("Nothing was changed. Add --apply to do it."))


def _people(options: dict[str, Any]) -> list[source.HubUser]:
    if options["sqlite"]:
        return source.from_database(options["sqlite"])
    if options["postgresql"]:
        return source.from_database(_secret(DATABASE))
    file = options["token_file"]
    token = _read(file, lambda text: text.strip()) if file else _secret(TOKEN)
    return source.from_api(options["api"], token)


def _secret(name: str) -> str:
    """Return a variable; arguments could be read by everybody on the machine."""
    if not (value := os.environ.get(name, "")):
        raise CommandError(_("Set the variable %(name)s.") % {"name": name})
    return value


def _import_options(options: dict[str, Any], names: Iterable[str]) -> ImportOptions:
    subjects = {name: name for name in names} if options["names_are_subjects"] else {}
    if options["subjects"]:
        subjects |= _read(options["subjects"], _pairs)
    if subjects and not options["issuer"]:
        raise CommandError(_("Name the provider of these subjects with --issuer."))
    mapping = _read(options["mapping"], _mapping) if options["mapping"] else {}
    return ImportOptions(
        issuer=options["issuer"],
        subjects=subjects,
        usernames=mapping.get("usernames", {}),
        people_limits=mapping.get("people", {}),
        group_limits=mapping.get("groups", {}),
        admins_as=options["admins_as"],
    )


def _claims(options: dict[str, Any], people: Iterable[source.HubUser]) -> list[source.Claim]:
    names = [person.name for person in people]
    file = options["claims"]
    return (
        _read(file, lambda text: list(source.read_claims(json.loads(text), names))) if file else []
    )


def _read(path: Path, parse: Callable[[str], T]) -> T:
    """Return what ``parse`` makes of a file. Raises `CommandError` if it cannot be read so."""
    try:
        return parse(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, LookupError, TypeError, csv.Error) as error:
        raise CommandError(_("%(path)s: %(why)s") % {"path": path, "why": error}) from None


def _pairs(text: str) -> dict[str, str]:
    rows = [row for row in csv.reader(text.splitlines()) if row]
    for number, row in enumerate(rows, 1):
        if len(row) != 2 or not all(each.strip() for each in row):
            raise ValueError(_("row %(number)d is not a name and a subject") % {"number": number})
    found = {name.strip(): subject.strip() for name, subject in rows}
    if len(set(found.values())) < len(rows):
        raise ValueError(_("a name or a subject is there twice"))
    return found


def _mapping(text: str) -> dict[str, Any]:
    """Return the mapping file: ``usernames``, and limits of ``people`` and ``groups``."""
    found = json.loads(text)
    if not isinstance(found, dict) or found.keys() - {"usernames", "people", "groups"}:
        raise ValueError(_("it has other keys than usernames, people and groups"))
    for kind in ("people", "groups"):
        for name, figures in found.get(kind, {}).items():
            if unknown := sorted(set(figures) - FIELDS.keys()):
                message = _("%(name)s: there is no limit “%(limit)s”")
                raise ValueError(message % {"name": name, "limit": unknown[0]})
    return found


def _apply(steps: Iterable[Step], wanted: ImportOptions, *, dry_run: bool) -> None:
    try:
        plan.apply_group_limits(wanted, dry_run=dry_run)
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from None
    for step in steps:
        plan.apply(step, wanted, dry_run=dry_run)


def _adopt_volumes(steps: Iterable[Step]) -> None:
    for step in steps:
        if step.account and step.action != plan.CONFLICT:
            try:
                get_backend().adopt_volume(step.volume, step.account.pk)
            except BinderyError as error:
                step.notes.append(error.message)


def _write_manifests(path: Path, steps: Iterable[Step]) -> None:
    made = (plan.claim_manifest(step, volume_labels(step.volume)) for step in steps)
    listing = {"apiVersion": "v1", "kind": "List", "items": [each for each in made if each]}
    path.write_text(json.dumps(listing, indent=1) + "\n", encoding="utf-8")
