"""What the pages of people and of groups have in common: their limits, set and shown."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse

from portal.models import User
from quotas.admin import figures
from quotas.admin.figures import LimitsForm
from quotas.admission import Use
from sessions.lifecycle.room import use_of


class WithLimits:
    """To be mixed with a ``ModelAdmin`` whose form is a `LimitsForm`."""

    def get_form(self, request: HttpRequest, obj: Any = None, *args: Any, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, *args, **kwargs)  # type: ignore[misc]
        if issubclass(form, LimitsForm):
            may_here = self.has_change_permission(request, obj)  # type: ignore[attr-defined]
            form.sets_limits = may_here and request.user.has_perm("quotas.change_limitset")
        return form

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        owner = context.get("original")
        if owner and request.user.has_perm("quotas.view_limitset"):
            context["limits"] = figures.rows(context["adminform"].form, owner, _use(owner))
        answer: HttpResponse = super().render_change_form(  # type: ignore[misc]
            request, context, *args, **kwargs
        )
        return answer

    def save_related(self, request: HttpRequest, form: Any, *args: Any) -> None:
        super().save_related(request, form, *args)  # type: ignore[misc]
        if isinstance(form, LimitsForm):
            form.set_limits()


def _use(owner: object) -> Use | None:
    return use_of(owner) if isinstance(owner, User) else None
