"""Refuses what no page and no call of the API has a use for, before anything looks at it.

PostgreSQL stores no NUL, and raises wherever one gets as far as a query: from the path, the query
string, or a cookie, in which ``\\000`` stands for one. What the API is asked for in a query string,
it refuses itself, with a code for each. And only UTF-8 comes from browsers: whatever else a header
claims would have Python look for codecs of that name.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponseBase

NUL = "\0"


class RequestGuard:
    """Middleware, before all that reads of the request; the answer is `handler400`'s."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._answer = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if any(NUL in text for text in _texts(request)):
            raise BadRequest("a NUL in path, query or cookie")
        if request.encoding is not None:
            request.encoding = "utf-8"
        return self._answer(request)


def _texts(request: HttpRequest) -> tuple[str, ...]:
    is_api = request.path_info.startswith("/api/")
    query = "" if is_api else unquote(request.META.get("QUERY_STRING", ""))
    return (request.path_info, query, *request.COOKIES, *request.COOKIES.values())
