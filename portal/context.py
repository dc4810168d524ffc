"""The context processor for variables that every page has; ``templates/base.html`` shows them."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from django.http import HttpRequest

from portal.models import Announcement, User
from quotas.models import LimitRequest
from sessions.backends import get_backend
from sessions.models import Project


def site(request: HttpRequest) -> dict[str, Any]:
    """Return the variables for every page.

    - ``problems``: for staff, why launches cannot work now.
    - ``announcements``: the current ones, for everybody.
    - ``new_answers``: answers to this person's limit requests that they have not seen.
    - ``expiring_projects``: their projects that are about to be deleted; queried only where a page
      shows them.
    """
    user = getattr(request, "user", None)
    staff = user is not None and user.is_staff
    return {
        "problems": get_backend().problems() if staff else [],
        "announcements": Announcement.objects.current(),
        "new_answers": LimitRequest.objects.unseen_answers_for(user).select_related("grant")
        if isinstance(user, User)
        else (),
        "expiring_projects": cache(partial(Project.objects.expiring_of, user))
        if isinstance(user, User)
        else (),
    }
