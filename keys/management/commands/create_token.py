"""``manage.py create_token <username>``: print a new API token."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from keys.issuing import expiry_in_days, issue
from keys.models import SCOPES
from portal.models import User


class Command(BaseCommand):
    """The command that makes an API token and prints it."""

    help = "Create an API token for a person and print it. It is shown only once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--name", default="command line")
        parser.add_argument(
            "--scopes",
            default=",".join(SCOPES),
            help="its scopes, separated by commas (default: %(default)s)",
        )
        parser.add_argument(
            "--days", type=int, help="how many days it lasts (default: as long as possible)"
        )

    def handle(
        self,
        *args: Any,
        username: str,
        name: str,
        scopes: str,
        days: int | None = None,
        **options: Any,
    ) -> str:
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"There is no account called “{username}”.")
        try:
            return issue(user, name, scopes.replace(",", " ").split(), _end(days))[1]
        except ValidationError as refusal:
            raise CommandError(" ".join(refusal.messages)) from None


def _end(days: int | None) -> datetime | None:
    return None if days is None else expiry_in_days(days)
