"""The base class of every API view, and lookups that the views share.

`endpoint` wraps each view where `urls` names it, whichever app it is from, so that no view can
forget the common rules: callers are rate-limited (`throttles`), a POST sent twice with one key
happens once (`idempotency`), and no answer is cached on its way, since each is for one person only.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn, cast

from django.http import Http404
from django.http.response import HttpResponseBase
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from portal.accounts import audit_actor
from portal.models import User
from sessions.api import idempotency, throttles
from sessions.models import Project


def current_user(request: Request) -> User:
    """Return the person who makes the request; the permission classes let nobody else in."""
    return cast(User, request.user)


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
    stored.
    """

    has_secret_response = False
    throttle_classes = (throttles.UserThrottle,)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        try:
            super().initial(request, *args, **kwargs)
        except (AuthenticationFailed, NotAuthenticated):
            throttles.count_anonymous(request)
            raise
        audit_actor.set_actor(current_user(request))
        key = request.headers.get(idempotency.KEY_HEADER)
        if request.method == "POST" and key is not None and hasattr(self, "post"):
            # Each request has its own view instance, so its handler can be replaced.
            view: Any = self
            act = partial(view.post, request, *args, **kwargs)
            view.post = lambda *_args, **_kwargs: idempotency.run_once(self, request, key, act)

    def throttled(self, request: Request, wait: float | None) -> NoReturn:
        raise throttles.RateLimited(wait)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "no-store")
        return response


def endpoint(view: type[APIView], **options: Any) -> Callable[..., HttpResponseBase]:
    """Return the view wrapped in `Endpoint`, for a URL pattern."""
    name, about = view.__name__, {"__doc__": view.__doc__, "__module__": view.__module__}
    whole: Any = type(name, (Endpoint, view), about)
    served: Callable[..., HttpResponseBase] = whole.as_view(**options)
    return served
