"""Make people with high limits, as a measurement needs, and their tokens; runs inside a portal."""

from __future__ import annotations

import json
import sys

import django

MUCH = 10_000


def main() -> None:
    """Print each person's token by their name, as JSON; the one called root is staff."""
    django.setup()
    from keys.issuing import issue  # noqa: PLC0415 -- only there once Django is set up
    from keys.models import SCOPES  # noqa: PLC0415
    from portal.models import User  # noqa: PLC0415
    from quotas.fields import FIELDS  # noqa: PLC0415
    from quotas.models import LimitSet  # noqa: PLC0415

    bounds = {name: MUCH for name in FIELDS if name in {"projects", "running", "builds"}}
    bounds |= {name: MUCH for name in FIELDS if name.startswith("total_")}
    tokens = {}
    for name in sys.argv[1:]:
        make = User.objects.create_superuser if name == "root" else User.objects.create_user
        person = make(name)
        LimitSet.objects.create(user=person, **bounds)
        tokens[name] = issue(person, "bench", list(SCOPES), None)[1]
    print(json.dumps(tokens))


if __name__ == "__main__":
    main()
