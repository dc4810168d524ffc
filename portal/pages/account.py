"""``/account/``: who one is here, where one's files are, what one may have and has in use."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from portal.pages.asking import person, signed_in
from quotas.limits import limits_of
from sessions.models import Project


@never_cache
@require_safe
@signed_in
def account(request: HttpRequest) -> HttpResponseBase:
    user = person(request)
    used = Project.objects.visible_to(user).filter(owner=user).count()
    return render(request, "portal/account.html", {"limits": limits_of(user), "used": used})
