"""The base class of every API view, and lookups that the views share.

`endpoint` wraps each view where `urls` names it, whichever app it is from, so that no view can
forget the common rules: callers are rate-limited (`throttles`), a POST sent twice with one key
happens once (`idempotency`), no answer is cached on its way, since each is for one person only, and
pages of the origins in `PORTAL_CORS_ORIGINS` may read it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import partial, wraps
from typing import Any, NoReturn, cast
from urllib.parse import quote

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated, PermissionDenied
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from portal.accounts import middleware
from portal.models import User
from sessions.api import idempotency, throttles
from sessions.gateway.hosts import is_listed_origin
from sessions.gateway.request import CORS_MAX_AGE, allowed_headers
from sessions.models import Project

ANYTHING = "*/*"
AS_SENT = "%/:@!$&'()*+,;=~-._"
"""Characters of an address that are kept as they were sent; `quote` adds letters and digits."""


def current_user(request: Request) -> User:
    """Return the person who makes the request; the permission classes let nobody else in."""
    return cast(User, request.user)


def sent_address(request: HttpRequest | Request) -> str:
    """Return the path and query as they were sent: ``%2F`` is not the same as ``/`` in a link."""
    scope: dict[str, Any] = getattr(request, "scope", {})
    raw = scope.get("raw_path") or request.path_info.encode()
    path = quote(raw, safe=AS_SENT) if scope.get("raw_path") else quote(raw, safe=AS_SENT[1:])
    query = request.META.get("QUERY_STRING", "")
    return f"{path}?{query}" if query else path


def get_project(request: Request, name: str) -> Project:
    """Return the project of this name. Raises `Http404` if the person may see none."""
    project = Project.objects.get_visible(name, request.user)
    if project is None:
        raise Http404
    return project


def get_project_or_deleted(request: Request, name: str) -> Project:
    """Return a project like `get_project`, including deleted ones that can be restored."""
    return Project.objects.get_restorable(name, request.user) or get_project(request, name)


class NotJsonRenderer(BaseRenderer):
    """The base class of renderers that let a client ask for something other than JSON.

    The view sends that itself, so what is rendered is an error, which is JSON all the same.
    """

    def render(self, data: Any, *args: Any, **kwargs: Any) -> bytes:
        return JSONRenderer().render(data)


class Endpoint(APIView):
    """Rules common to all API views.

    ``has_secret_response`` is for views whose answer to a POST holds a secret, shown once and never
    stored. A view with ``acts_on_get`` is one whose GET starts something, and counts as a change.
    """

    has_secret_response = False
    throttle_classes = (throttles.UserThrottle,)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        try:
            super().initial(request, *args, **kwargs)
        except (AuthenticationFailed, NotAuthenticated, PermissionDenied):
            self.check_throttles(request)  # what is refused counts, too
            raise
        middleware.set_actor(current_user(request))
        key = request.headers.get(idempotency.KEY_HEADER)
        if request.method == "POST" and key is not None and hasattr(self, "post"):
            # Each request has its own view instance, so its handler can be replaced.
            view: Any = self
            act = partial(view.post, request, *args, **kwargs)
            view.post = lambda *_args, **_kwargs: idempotency.run_once(self, request, key, act)

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        if request.META.get("HTTP_ACCEPT", ANYTHING) == ANYTHING:
            first = self.get_renderers()[0]
            return first, first.media_type
        return super().perform_content_negotiation(request, force)

    def throttled(self, request: Request, wait: float | None) -> NoReturn:
        raise throttles.RateLimited(wait)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "no-store")
        return response


def endpoint(
    view: type[APIView], *, quick: Collection[str] = (), **options: Any
) -> Callable[..., HttpResponseBase]:
    """Return the view wrapped in `Endpoint`, for a URL pattern.

    ``quick`` are the methods that only read or change a few rows of the database, and wait for
    nothing else: these are for `portal.fastlane`. What is quick about GET does not write.
    """
    name, about = view.__name__, {"__doc__": view.__doc__, "__module__": view.__module__}
    whole: Any = type(name, (Endpoint, view), about)
    handled = [name for name in whole.http_method_names if name != "options"]
    answer = _cors(whole.as_view(**options), [name for name in handled if hasattr(whole, name)])
    answer.quick = frozenset(quick)  # type: ignore[attr-defined]
    return answer


def is_quick(view: Callable[..., Any], method: str) -> bool:
    """Return whether the method of this view waits for nothing but the database; see `endpoint`."""
    return method in getattr(view, "quick", ())


def _cors(
    view: Callable[..., HttpResponseBase], methods: Iterable[str]
) -> Callable[..., HttpResponseBase]:
    """Return a view whose answers pages of the origins in `PORTAL_CORS_ORIGINS` may read.

    What they ask first, a preflight, is answered here. Nothing allows credentials, so they have to
    send a token; `keys.authentication` refuses their cookies.
    """
    allowed = ", ".join(name.upper() for name in methods)

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        origin = request.headers.get("Origin", "")
        if not is_listed_origin(origin):
            response = view(request, *args, **kwargs)
        elif request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            response = HttpResponse(status=204)
            wanted = request.headers.get("Access-Control-Request-Headers", "")
            response["Access-Control-Allow-Methods"] = allowed
            response["Access-Control-Allow-Headers"] = allowed_headers(wanted)
            response["Access-Control-Max-Age"] = CORS_MAX_AGE.decode()
        else:
            response = view(request, *args, **kwargs)
        if is_listed_origin(origin):
            response["Access-Control-Allow-Origin"] = origin
            response["Access-Control-Expose-Headers"] = "Location, Retry-After"
        patch_vary_headers(cast(HttpResponse, response), ["Origin"])
        return response

    return answer
