"""Rename a person as staff do; runs inside the portal.

python -m bench.datadrill.renaming ada ada-king
"""

from __future__ import annotations

import json
import sys

import django


def main() -> None:
    """Rename the person and print the new name as JSON."""
    django.setup()
    from portal.models import User  # noqa: PLC0415 -- only there once Django is set up

    old, new = sys.argv[1:]
    person = User.objects.get(username=old)
    person.username = new
    person.full_clean(exclude=["password"])
    person.save()
    print(json.dumps(new))


if __name__ == "__main__":
    main()
