"""What every page knows: shown by ``templates/base.html``."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from sessions.backends import get_backend


def site(request: HttpRequest) -> dict[str, Any]:
    """``problems``: for staff, why launches cannot work now."""
    user = getattr(request, "user", None)
    staff = user is not None and user.is_staff
    return {"problems": get_backend().problems() if staff else []}
