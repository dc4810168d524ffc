"""Make the people of a drill, with low limits, and their tokens; runs inside the portal."""

from __future__ import annotations

import json
import sys

import django

RUNNING = 2


def main() -> None:
    """Print each person's token by their name, as JSON."""
    django.setup()
    from keys.issuing import issue  # noqa: PLC0415 -- only there once Django is set up
    from keys.models import SCOPES  # noqa: PLC0415
    from portal.models import User  # noqa: PLC0415
    from quotas.models import LimitSet  # noqa: PLC0415

    tokens = {}
    for name in sys.argv[1:]:
        person = User.objects.create_user(name)
        LimitSet.objects.create(user=person, running=RUNNING)
        tokens[name] = issue(person, "drill", list(SCOPES), None)[1]
    print(json.dumps(tokens))


if __name__ == "__main__":
    main()
