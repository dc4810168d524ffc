"""Base classes and permissions of every API view.

Who asks, and which project they may see by its name.

What every address of the API does besides its own work, whichever app its view is from.

`endpoint` puts it in front of a view where `urls` names it, so that no view can forget it: who
asks too often is told so (`throttles`), a POST that is sent twice with one key happens once
(`idempotency`), and no answer is kept on the way, since each is one person's own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn, cast

from django.http import Http404
from django.http.response import HttpResponseBase
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.request import Request
from rest_framework.views import APIView

from portal.accounts import audit_actor
from portal.models import User
from sessions.api import idempotency, throttles
from sessions.models import Project


def person(request: Request) -> User:
    """Who asks; the permission classes have let nobody else in."""
    return cast(User, request.user)


def find(request: Request, name: str) -> Project:
    """A project that this person may see; what they may not see is not there."""
    project = Project.objects.named(name, request.user)
    if project is None:
        raise Http404
    return project


def find_or_deleted(request: Request, name: str) -> Project:
    """Like `find`, with those that are deleted and can be restored."""
    return Project.objects.deleted(name, request.user) or find(request, name)


class Endpoint(APIView):
    """``secret_answers``: what it answers to a POST is shown once and kept nowhere."""

    secret_answers = False
    throttle_classes = (throttles.OfPerson,)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        try:
            super().initial(request, *args, **kwargs)
        except (AuthenticationFailed, NotAuthenticated):
            throttles.count_stranger(request)
            raise
        audit_actor.acts(person(request))
        key = request.headers.get(idempotency.HEADER)
        if request.method == "POST" and key is not None and hasattr(self, "post"):
            # A view lives for one request, so this one's handler is its own.
            view: Any = self
            act = partial(view.post, request, *args, **kwargs)
            view.post = lambda *_args, **_kwargs: idempotency.once(self, request, key, act)

    def throttled(self, request: Request, wait: float | None) -> NoReturn:
        raise throttles.TooOften(wait)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "no-store")
        return response


def endpoint(view: type[APIView], **options: Any) -> Callable[..., HttpResponseBase]:
    """The view with all this before it, for an address."""
    name, about = view.__name__, {"__doc__": view.__doc__, "__module__": view.__module__}
    whole: Any = type(name, (Endpoint, view), about)
    served: Callable[..., HttpResponseBase] = whole.as_view(**options)
    return served
