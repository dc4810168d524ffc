"""What a person has in use, and whether their limits leave room for more of it.

Called inside the transaction that then inserts or changes the row; `quotas.admission` locks and
compares, this module counts, and says who holds what.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db.models import Count, QuerySet, Sum
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portal.models import User
from quotas import admission
from quotas.admission import Shortage, Use
from quotas.fields import FIELDS
from quotas.limits import limits_of
from quotas.resources import Resources
from sessions.errors import QuotaExceeded, UserError
from sessions.lifecycle import needs
from sessions.models import Project, Session
from sessions.states import BUILD_ACTIVE, SessionState

CODES = {
    "projects": "quota.projects",
    "running": "quota.running",
    "total_cpu": "quota.cpu",
    "total_memory_gb": "quota.memory",
    "total_gpu": "quota.gpu",
}


def admit_project(user: User) -> None:
    """Let in one more project, or raise `QuotaExceeded`."""
    _require(admission.project_shortage(admission.lock(user), use_of(user)), user)


def admit_notebook(user: User, wanted: Resources, beside: Session | None = None) -> None:
    """Let a notebook of these resources be on its way, or raise `QuotaExceeded`.

    ``beside`` is its own session where that is counted already.
    """
    limits = admission.lock(user)
    _require(admission.notebook_shortage(limits, use_of(user, beside), wanted), user)


def refusal(project: Project) -> QuotaExceeded | None:
    """Why the project's notebook could not be started now, for a page; nothing is locked."""
    try:
        wanted = needs.expected(project)
        limits, use = limits_of(project.owner), use_of(project.owner)
        _require(admission.notebook_shortage(limits, use, wanted), project.owner)
    except QuotaExceeded as error:
        return error
    except UserError:
        pass  # its own failure says so
    return None


def use_of(user: User, apart_from: Session | None = None) -> Use:
    """What the person has in use now. A notebook that is being stopped holds nothing more."""
    holding = Session.objects.holding().filter(project__owner=user)
    if apart_from:
        holding = holding.exclude(pk=apart_from.pk)
    figures = holding.aggregate(**_held())
    return Use(projects=Project.objects.existing().filter(owner=user).count(), **figures)


def uses_of(users: Collection[User]) -> dict[int, Use]:
    """What each of many people has in use, by their rows' numbers, in two queries."""
    projects = Project.objects.existing().filter(owner__in=users).values("owner")
    holding = Session.objects.holding().filter(project__owner__in=users).values("project__owner")
    counted = dict(projects.annotate(projects=Count("pk")).values_list("owner", "projects"))
    rows: Any = holding.annotate(**_held())
    held = {row.pop("project__owner"): row for row in rows}
    return {
        user.pk: Use(projects=counted.get(user.pk, 0), **held.get(user.pk, {})) for user in users
    }


def _held() -> dict[str, Any]:
    return {
        "running": Count("pk"),
        "cpu": Sum("cpu_request", default=0.0),
        "memory_gb": Sum("memory_request_gb", default=0.0),
        "gpu": Sum("gpu", default=0),
    }


def has_turn_to_build(user: User) -> bool:
    """Whether the person may have one more build started. Call after one of the `admit_*`."""
    waiting = Session.objects.filter(project__owner=user, state=SessionState.WAITING)
    builds = waiting.filter(build__state__in=BUILD_ACTIVE).values("build").distinct()
    return builds.count() < limits_of(user).builds


def holders(user: User, code: str) -> QuerySet[Project]:
    """The projects that hold what a refusal with this code is about; empty for other codes."""
    mine = Project.objects.existing().filter(owner=user).select_related("owner", "current__build")
    if code == CODES["projects"]:
        return mine.order_by("last_activity")
    if code not in CODES.values():
        return mine.none()
    running = mine.filter(current__in=Session.objects.holding()).order_by("last_activity")
    return running.filter(current__gpu__gt=0) if code == CODES["total_gpu"] else running


def _require(shortage: Shortage | None, user: User) -> None:
    if shortage is None:
        return
    code = CODES[shortage.limit]
    raise QuotaExceeded(
        code,
        sentence(shortage),
        limit=shortage.allowed,
        in_use=shortage.in_use,
        asked=shortage.asked,
        name=shortage.limit,
        projects=[_holder(each) for each in holders(user, code)],
    )


def sentence(shortage: Shortage) -> str:
    """What is short, and what makes room."""
    allowed, in_use = f"{shortage.allowed:g}", f"{shortage.in_use:g}"
    values = {"allowed": allowed, "in_use": in_use, "asked": f"{shortage.asked:g}"}
    if shortage.limit == "projects":
        template = ngettext(
            "You have %(in_use)s of %(allowed)s project. Delete one to launch another.",
            "You have %(in_use)s of %(allowed)s projects. Delete one to launch another.",
            int(shortage.allowed),
        )
    elif shortage.limit == "running":
        template = ngettext(
            "%(in_use)s of %(allowed)s notebook is running. Stop one to start another.",
            "%(in_use)s of %(allowed)s notebooks are running. Stop one to start another.",
            int(shortage.allowed),
        )
    else:
        values["unit"] = str(FIELDS[shortage.limit].unit)
        template = _(
            "This notebook needs %(asked)s %(unit)s, and your running notebooks have"
            " %(in_use)s of the %(allowed)s %(unit)s that you may have together."
            " Stop one of them, or ask for more."
        )
    return template % values


def _holder(project: Project) -> dict[str, Any]:
    return {"name": project.name, "repository": project.repository, "state": project.state}
