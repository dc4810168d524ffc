"""``manage.py doctor``: say what is wrong with this installation and how to fix it.

`portal.health.doctor` has the checks.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portal.health.doctor import Finding
from portal.health.doctor.runner import all_checks, run_checks


class Command(BaseCommand):
    """The command ``doctor``."""

    help = (
        "Check everything that the portal needs, and say what is wrong and how to fix it, "
        "the most important first. The exit code is 1 if anything is wrong, and 0 if there "
        "is only advice."
    )
    requires_system_checks = ()  # it runs them itself, and says more
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON, for programs")
        parser.add_argument("--mail-to", default="", help="send a test email to this address")
        wait = "seconds to wait for a worker (default: 10)"
        parser.add_argument("--patience", type=float, default=10, help=wait)

    def handle(self, *args: Any, **options: Any) -> None:
        self.as_json = options["json"]
        found: list[tuple[str, Finding]] = []
        for check, findings in run_checks(all_checks(options["mail_to"], options["patience"])):
            self._say(check.name, findings)
            found += [(check.name, finding) for finding in findings]
        if self.as_json:
            rows = [{"check": name, **asdict(finding)} for name, finding in found]
            self.stdout.write(json.dumps(rows, indent=2))
        wrong = sum(not finding.advice for _name, finding in found)
        self._conclude(wrong)
        if wrong:
            sys.exit(1)

    def _say(self, name: str, findings: list[Finding]) -> None:
        if self.as_json:
            return
        self.stdout.write(f"{name}: {_('fine') if not findings else ''}".rstrip())
        for finding in findings:
            mark = _("advice") if finding.advice else _("WRONG")
            self.stdout.write(
                f"  {mark}  {finding.message}\n         {finding.hint} ({finding.id})"
            )
        self.stdout.flush()

    def _conclude(self, wrong: int) -> None:
        if self.as_json:
            return
        said = ngettext("%(count)d problem found.", "%(count)d problems found.", wrong)
        self.stdout.write(said % {"count": wrong} if wrong else _("No problems found."))
