"""``manage.py adopt``: show what the data folder or namespace has, and adopt it or part from it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from sessions.errors import BinderyError
from sessions.installation import ownership
from sessions.installation.known import OwnershipStatus, has_too_many_unknown
from sessions.installation.ownership import InstallationReport
from sessions.watch.conditions import describe_problem

MAX_NAMED = 10


class Command(BaseCommand):
    """The command that adopts the data for the database, or parts the two."""

    help = (
        "Show what is in the data folder (or namespace) and how much of it the database knows, "
        "then link the two: the database takes the id of the data. With --part, separate them "
        "instead: the database gets a new id, and the data are left to the portal they belong to."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
        parser.add_argument("--part", action="store_true", help="the data belong to another portal")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = ownership.take_inventory()
            for line in describe(report):
                self.stdout.write(line)
            if report.status == OwnershipStatus.MATCHES and not options["part"]:
                self.stdout.write(_("The database and the data belong together: nothing to do."))
                return
            self.stdout.write(_separation_notice() if options["part"] else _adoption_notice(report))
            if options["yes"] or self._confirm():
                self.stdout.write(_conclusion(_apply(options["part"]), parted=options["part"]))
        except BinderyError as error:
            raise CommandError(error.message) from error

    def _confirm(self) -> bool:
        self.stdout.write(_("Type yes to continue: "), ending="")
        self.stdout.flush()
        try:
            if input().strip().lower() == "yes":
                return True
        except EOFError:
            self.stdout.write("")
        self.stdout.write(_("Nothing was changed. To skip this question, use --yes."))
        return False


def describe(report: InstallationReport) -> Iterator[str]:
    """Yield lines that describe the data and what the database knows of them."""
    none = _("none yet")
    yield _("Id of the database: %(id)s") % {"id": report.database_id or none}
    yield _("Id of the data:     %(id)s  (%(place)s)") % {
        "id": report.place_id or none,
        "place": _place(),
    }
    found, known = report.found, report.known
    yield _line(_("Projects"), found.projects, known.projects)
    yield _line(_("Volumes"), found.volumes, known.volumes)
    yield _line(_("Notebooks"), found.sessions, known.sessions)
    yield _line(_("Builds"), found.builds, known.builds)
    if report.foreign:
        yield _("Left alone, with another id: %(names)s") % {"names": _some(report.foreign)}
    if report.status != OwnershipStatus.MATCHES:
        words = {"why": describe_problem(ownership.PART, report.status.value).message}
        yield _("Why nothing happens automatically: %(why)s") % words


def _place() -> str:
    if settings.PORTAL_BACKEND == "kubernetes":
        return _("namespace %(name)s") % {"name": settings.PORTAL_NAMESPACE}
    return _("folder %(path)s") % {"path": settings.PORTAL_DATA}


def _line(title: str, found: Collection[Any], known: Collection[Any]) -> str:
    unknown = sorted(set(found) - set(known))
    words = {"title": f"{title}:", "there": len(found), "known": len(known)}
    line = _("%(title)-11s %(there)d found, %(known)d known to the database") % words
    if unknown:
        words |= {"unknown": len(unknown), "names": _some(unknown)}
        line += _("; %(unknown)d unknown: %(names)s") % words
    return line


def _some(names: Collection[Any]) -> str:
    text = ", ".join(str(name) for name in sorted(names)[:MAX_NAMED])
    return f"{text}, …" if len(names) > MAX_NAMED else text


def _adoption_notice(report: InstallationReport) -> str:
    """Return what adopting does with unknown things."""
    text = _(
        "\nIf you adopt: the database and the data belong together from now on. Everything known "
        "goes on. Volumes stay as they are, known or not."
    )
    unknown = [
        (len(found - known), len(found))
        for found, known in (
            (report.found.projects, report.known.projects),
            (
                report.found.sessions | report.found.builds,
                report.known.sessions | report.known.builds,
            ),
        )
    ]
    if any(has_too_many_unknown(*each) for each in unknown):
        return text + _(
            " Too much is unknown: none of it is stopped or set aside until the database that "
            "contains it is restored."
        )
    return text + _(
        " Unknown notebooks and builds are stopped, and folders of unknown projects are set "
        "aside; staff can put them back or remove them in the admin."
    )


def _separation_notice() -> str:
    return _(
        "\nIf you separate them: the database gets a new, unique id. The data are not touched."
    )


def _apply(parted: bool) -> OwnershipStatus:
    return ownership.separate() if parted else ownership.adopt()


def _conclusion(status: OwnershipStatus, *, parted: bool) -> str:
    if parted:
        return _(
            "The database now has its own id. Set PORTAL_DATA (or PORTAL_NAMESPACE) to a place "
            "that only this portal uses, and restart it."
        )
    if status != OwnershipStatus.MATCHES:
        raise CommandError(describe_problem(ownership.PART, status.value).message)
    return _(
        "The database and the data now belong together. A running portal continues within a few "
        "minutes."
    )
