"""Make a database in which one person has notebooks; runs inside a portal not started yet."""

from __future__ import annotations

import json
import sys

import django


def main() -> None:
    """Take a JSON object of names and addresses; print the person's token."""
    django.setup()
    from django.core.management import call_command  # noqa: PLC0415 -- only there by now

    from keys.issuing import issue  # noqa: PLC0415
    from portal.models import User  # noqa: PLC0415
    from sessions.models import Project, Session  # noqa: PLC0415
    from sessions.states import SessionState  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    ada = User.objects.create_user("ada")
    bounds = dict.fromkeys(("cpu_request", "cpu_limit", "memory_request_gb", "memory_limit_gb"), 1)
    for name, address in json.loads(sys.argv[1]).items():
        project = Project.objects.create(owner=ada, name=name, url="https://example.org/a.git")
        state = SessionState.READY
        session = Session.objects.create(project=project, state=state, address=address, **bounds)
        Project.objects.filter(pk=project.pk).update(current=session)
    print(json.dumps(issue(ada, "bench")[1]))


if __name__ == "__main__":
    main()
