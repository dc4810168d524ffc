"""``/api/v1/projects/``: list, launch, show, change and delete projects. Answers are a contract."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sessions import lifecycle
from sessions.api.endpoint import current_user, get_project, get_project_or_deleted
from sessions.api.lists import KeysetPagination, ProjectFilter
from sessions.api.serializers import (
    DeleteSerializer,
    LaunchSerializer,
    ListedProjectSerializer,
    OneProjectSerializer,
    ProjectSerializer,
    StartSerializer,
    limits_for,
)
from sessions.models import Project
from sessions.models.project import ProjectQuerySet

Action = Callable[..., Any]


def _serialize(request: Request, project: Project) -> dict[str, Any]:
    """Return the project's JSON for the person who asks."""
    return OneProjectSerializer(project, context={"reader": current_user(request)}).data


class ProjectsView(GenericAPIView[Project]):
    """The list of projects."""

    serializer_class = ProjectSerializer
    filter_backends = (DjangoFilterBackend,)
    filterset_class = ProjectFilter
    pagination_class = KeysetPagination

    def get_queryset(self) -> ProjectQuerySet:
        return Project.objects.visible_to(self.request.user).order_by("-created")

    @extend_schema(
        operation_id="list_projects",
        summary="My projects",
        responses=ListedProjectSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """Return your projects, newest first.

        If they do not fit on one page, the header `Link` leads to the next.
        """
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        query = request.query_params
        shape = (
            ListedProjectSerializer
            if query.get("owner") or query.get("deleted")
            else ProjectSerializer
        )
        rows = shape(
            page, many=True, context={"limits": limits_for(page), "reader": current_user(request)}
        )
        return self.get_paginated_response(rows.data)

    @extend_schema(
        operation_id="launch_project",
        summary="Launch a repository",
        request=LaunchSerializer,
        responses={201: OneProjectSerializer},
        filters=False,
    )
    def post(self, request: Request) -> Response:
        """Launch a repository as a new project.

        It runs when its `state` is `ready`: follow its events, or ask again.
        """
        serializer = LaunchSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        project = lifecycle.launch(current_user(request), **serializer.validated_data)
        return Response(_serialize(request, project), status=201)


class ProjectView(APIView):
    """One project."""

    @extend_schema(
        operation_id="get_project", summary="One project", responses=OneProjectSerializer
    )
    def get(self, request: Request, name: str) -> Response:
        """Return the project's current state."""
        return Response(_serialize(request, get_project(request, name)))

    @extend_schema(
        operation_id="delete_project",
        summary="Delete a project",
        parameters=[DeleteSerializer],
        responses={202: OpenApiResponse(description="The project is being deleted.")},
    )
    def delete(self, request: Request, name: str) -> Response:
        """Delete the project.

        A running notebook is stopped first; the files in your own folder stay. You can restore the
        project with its own files for a few days, unless you delete it for good.
        """
        serializer = DeleteSerializer(data=request.query_params)
        serializer.is_valid(raise_exception=True)
        for_good = serializer.validated_data["for_good"]
        project = (get_project_or_deleted if for_good else get_project)(request, name)
        lifecycle.delete(project, current_user(request), for_good=for_good)
        return Response(status=202)


class ActionView(APIView):
    """``POST projects/<name>/<action>/``: 202 and the project; 409 where its state forbids it."""

    actions: ClassVar[dict[str, Action]] = {
        "start": lifecycle.start,
        "stop": lifecycle.stop,
        "keep": lifecycle.keep,
        "rebuild": lifecycle.rebuild,
        "cancel": lifecycle.cancel,
        "restore": lifecycle.restore,
    }
    action_name = ""

    def post(self, request: Request, name: str) -> Response:
        """Act on the project, and answer 202 with its JSON."""
        project = (get_project_or_deleted if self.action_name == "restore" else get_project)(
            request, name
        )
        options = self._options(request)
        self.actions[self.action_name](project, current_user(request), **options)
        return Response(_serialize(request, get_project(request, name)), status=202)

    def _options(self, request: Request) -> dict[str, Any]:
        if self.action_name != "start":
            return {}
        serializer = StartSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)


ACTION_DESCRIPTIONS = {
    "start": (
        _("Start a project"),
        _(
            "Start a notebook that is stopped or has failed. Safe mode leaves out what may keep it "
            "from starting: your own Jupyter configuration, packages in your home, the "
            "repository's start script, and the extensions that it installs."
        ),
    ),
    "stop": (_("Stop a project"), _("Stop the running notebook. The project stays.")),
    "keep": (_("Keep a project"), _("Count the project as just used, so that it expires later.")),
    "rebuild": (
        _("Rebuild a project"),
        _("Build the commit that its branch or tag points to now, and start it."),
    ),
    "cancel": (_("Cancel a launch"), _("Cancel a launch whose environment is not ready yet.")),
    "restore": (
        _("Restore a project"),
        _(
            "Undo the deletion: the project comes back with all its files, stopped. It counts "
            "against the limit again, so the response is 409 `quota.projects` if you are already "
            "at the limit."
        ),
    ),
}


def action_view(action: str) -> type[ActionView]:
    """Return the view of one action, with its own description in the schema."""

    @extend_schema(
        operation_id=f"{action}_project",
        summary=str(ACTION_DESCRIPTIONS[action][0]),
        description=str(ACTION_DESCRIPTIONS[action][1]),
        request=StartSerializer if action == "start" else None,
        responses={202: OneProjectSerializer},
    )
    def post(self: ActionView, request: Request, name: str) -> Response:
        return ActionView.post(self, request, name)

    return type(f"{action.title()}View", (ActionView,), {"action_name": action, "post": post})
