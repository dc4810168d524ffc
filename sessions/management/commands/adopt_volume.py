"""``manage.py adopt_volume <username>…``: make the volume at a person's place theirs."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal.models import User
from sessions.backends import get_backend
from sessions.errors import BinderyError
from sessions.lifecycle import files


class Command(BaseCommand):
    """The command that makes existing volumes count as people's own."""

    help = (
        "Adopt a volume claim (or, on one machine, a folder in homes/) that the portal did not "
        "create as a person's own. Until then, notebooks that use it are refused. Check its "
        "contents first: the person gets all the files in it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("usernames", nargs="+", metavar="username")

    def handle(self, *args: Any, usernames: list[str], **options: Any) -> None:
        people = {user.username: user for user in User.objects.filter(username__in=usernames)}
        if unknown := [name for name in usernames if name not in people]:
            raise CommandError(f"There is no account called “{'”, “'.join(unknown)}”.")
        for name in usernames:
            self.stdout.write(_adopt(people[name]))


def _adopt(person: User) -> str:
    volume = files.volume_of(person)
    try:
        if get_backend().adopt_volume(volume, person.pk):
            return f"{person.username}: “{volume}” is now their volume."
    except BinderyError as error:
        raise CommandError(f"{person.username}: {error}") from None
    return f"{person.username}: nothing to adopt: “{volume}” is theirs already, or does not exist."
