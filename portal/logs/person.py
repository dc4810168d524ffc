"""Says with each line of a page's log who asks, by number, and with the request which page it is.

Who asks is known once somebody has looked, so a page that does not want to know asks nothing.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user
from django.http import HttpRequest
from django.utils.deprecation import MiddlewareMixin
from django.utils.functional import SimpleLazyObject

from portal.logs import context
from portal.logs.requests import present


class Person(MiddlewareMixin):
    def process_request(self, request: HttpRequest) -> None:
        request.user = SimpleLazyObject(lambda: _noted(request))  # type: ignore[assignment]

    def process_view(self, request: HttpRequest, *_view: Any) -> None:
        asked = present()
        if asked and request.resolver_match:
            asked.route = request.resolver_match.view_name or asked.route


def _noted(request: HttpRequest) -> Any:
    user = get_user(request)
    if user.is_authenticated:
        context.note(user=user.pk)
    return user
