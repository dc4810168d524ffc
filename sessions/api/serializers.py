"""Serialize projects, launches, events and deletions for the API."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from keys.api import KnownFieldsSerializer
from quotas.limits import Limits, limits_of, limits_of_many
from sessions.culling.policy import deletes_at
from sessions.lifecycle import admission
from sessions.lifecycle.admission import default_resources
from sessions.models import Project
from sessions.progress import journal
from sessions.states import Phase, ProjectState


class LaunchSerializer(KnownFieldsSerializer):
    """A repository to launch. If its address, ref or path is not valid, the error says why."""

    repository = serializers.CharField(
        allow_blank=True,
        trim_whitespace=False,
        help_text="The address of it or of a page in it, a launch link, or GitHub's `owner/name`.",
    )
    ref = serializers.CharField(
        allow_blank=True,
        default="",
        trim_whitespace=False,
        help_text="A branch, tag or commit; the default branch if omitted.",
    )
    path = serializers.CharField(
        allow_blank=True,
        default="",
        trim_whitespace=False,
        help_text="The file in the repository to open.",
    )
    urlpath = serializers.CharField(
        allow_blank=True,
        default="",
        trim_whitespace=False,
        help_text="Where to go on the notebook's host instead of JupyterLab, such as `rstudio/`; "
        "with `path`, the part of the address above it, such as `doc/tree`.",
    )
    content = serializers.CharField(
        allow_blank=True,
        default="",
        trim_whitespace=False,
        help_text="The address of another repository, whose files are used, with `@` and its ref "
        "if that is not the default branch. `path` is then a file of it.",
    )


class StartSerializer(KnownFieldsSerializer):
    """How to start a notebook."""

    safe_mode = serializers.BooleanField(
        default=False, help_text="Leave out what may keep the notebook from starting."
    )


class ResourcesSerializer(serializers.Serializer[Any]):
    """Resources of a notebook: requests are guaranteed, limits are the most. GB are 10⁹ bytes."""

    cpu_request = serializers.FloatField()
    cpu_limit = serializers.FloatField()
    memory_request_gb = serializers.FloatField()
    memory_limit_gb = serializers.FloatField()
    gpu = serializers.IntegerField()
    gpu_type = serializers.CharField(help_text="The type that .resources asks for.")
    runs_on = serializers.CharField(help_text="The title of the notebook profile that applies.")


class FilesSerializer(serializers.Serializer[Any]):
    """Size of a project's own files on its owner's volume, and when it was measured."""

    bytes = serializers.IntegerField(source="files_size", allow_null=True)
    measured = serializers.DateTimeField(source="files_measured", allow_null=True)


class ContentSerializer(serializers.Serializer[Any]):
    """The second repository of a project, whose files are in a folder of the notebook's home."""

    repository = serializers.CharField()
    ref = serializers.CharField()
    commit = serializers.CharField(help_text="What the last start has fetched.")
    folder = serializers.CharField()


@cache
def _model_fields(
    kind: type[ProjectSerializer],
) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
    return serializers.ModelSerializer.get_fields(kind())


class ProjectSerializer(serializers.ModelSerializer[Project]):
    """A project and its notebook."""

    # The context's `reader` is the person who asks; `limits` is what `limits_for` returns.
    state = serializers.ChoiceField(choices=ProjectState.choices)
    message = serializers.SerializerMethodField(
        help_text="An explanation of the state, for people."
    )
    code = serializers.CharField(
        source="current.code",
        default="",
        help_text="The error code, for programs; `kernel.dead` while the notebook is ready.",
    )
    url = serializers.CharField(source="notebook_url", help_text="The notebook's address.")
    safe_mode = serializers.SerializerMethodField(
        help_text="Whether the notebook runs, or last ran, in safe mode."
    )
    content = serializers.SerializerMethodField()
    resources = serializers.SerializerMethodField()
    files = FilesSerializer(
        source="*", read_only=True, help_text="The project's own files, which are deleted with it."
    )
    deletes_at = serializers.SerializerMethodField()

    class Meta:
        model = Project
        fields = [
            "name",
            "repository",
            "provider",
            "ref",
            "commit",
            "path",
            "urlpath",
            "content",
            "state",
            "message",
            "code",
            "url",
            "safe_mode",
            "resources",
            "files",
            "created",
            "last_activity",
            "deletes_at",
        ]

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        # Made of the model once: that took a seventh of a launch.
        return copy.deepcopy(_model_fields(type(self)))

    def get_safe_mode(self, project: Project) -> bool:
        """Whether the current session is in safe mode."""
        return bool(project.current and project.current.safe_mode)

    @extend_schema_field(ContentSerializer(allow_null=True))
    def get_content(self, project: Project) -> dict[str, str] | None:
        """Return the second repository; null if the files are the environment's repository's."""
        if not (source := project.content_source):
            return None
        named = {"repository": source.repository, "ref": source.ref}
        return {**named, "commit": project.content_commit, "folder": source.folder}

    @extend_schema_field(ResourcesSerializer)
    def get_resources(self, project: Project) -> dict[str, Any]:
        """Resources of the notebook, or its owner's defaults if it has never run."""
        if project.current:
            return asdict(project.current.resources)
        return asdict(default_resources(self._limits(project)))

    def get_message(self, project: Project) -> str:
        """Why it is so; messages about a private repository's notebook are its owner's alone."""
        return project.message_for(self.context["reader"])

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_deletes_at(self, project: Project) -> str | None:
        """When the project is deleted if nobody uses it until then; null if never."""
        if project.removed:
            return None
        idle_days = self._limits(project).idle_days
        moment = deletes_at(project.last_activity, project.goes, idle_days, timezone.now())
        return serializers.DateTimeField().to_representation(moment) if moment else None

    def _limits(self, project: Project) -> Limits:
        known: dict[int, Limits] = self.context.get("limits", {})
        return known.get(project.owner_id) or limits_of(project.owner)


@extend_schema_serializer(component_name="OneProject")
class OneProjectSerializer(ProjectSerializer):
    """A project and its notebook, with notes about the repository's files."""

    notes = serializers.SerializerMethodField(
        help_text="Which of the repository's files the environment was built from, and what was "
        "not used, not understood or could not be fetched."
    )

    class Meta(ProjectSerializer.Meta):
        fields = [*ProjectSerializer.Meta.fields, "notes"]

    def get_notes(self, project: Project) -> list[str]:
        """Sentences about the files; those of a private repository are for its owner alone."""
        build = project.current.build if project.current else None
        if build is None or not project.shows_log_to(self.context["reader"]):
            return []
        return [*journal.file_report(build.pk), *admission.resources_notes(project, build)]


@extend_schema_serializer(component_name="ListedProject")
class ListedProjectSerializer(ProjectSerializer):
    """A project in a list of other people's or deleted projects.

    `owner` is there in lists of other people's projects, for staff; `deleted` and
    `restorable_until` in lists of deleted ones.
    """

    owner = serializers.CharField(source="owner.username", required=False)
    deleted = serializers.DateTimeField(
        source="removed", required=False, allow_null=True, help_text="When the project was deleted."
    )
    restorable_until = serializers.DateTimeField(
        source="drops",
        required=False,
        allow_null=True,
        help_text="The project can be restored with its files until then; after that it is "
        "deleted for good.",
    )

    class Meta(ProjectSerializer.Meta):
        fields = [*ProjectSerializer.Meta.fields, "owner", "deleted", "restorable_until"]


class DeleteSerializer(serializers.Serializer[Any]):
    """How to delete a project."""

    for_good = serializers.BooleanField(
        default=False,
        help_text="Delete the project for good, now; also one that was already deleted.",
    )


class EventSerializer(serializers.Serializer[Any]):
    """One event of a project, or a piece of its build's log."""

    cursor = serializers.IntegerField()
    at = serializers.DateTimeField()
    phase = serializers.ChoiceField(choices=Phase.choices)
    message = serializers.CharField(help_text="The message, or a piece of the build's log.")
    code = serializers.CharField(required=False, help_text="The error code, for programs.")
    url = serializers.CharField(
        required=False, help_text="With the phase `ready`: the notebook's address."
    )
    log = serializers.BooleanField(required=False, help_text="Whether this is build output.")


@extend_schema_serializer(component_name="Story")
class EventPageSerializer(serializers.Serializer[Any]):
    """A page of a project's events."""

    events = EventSerializer(many=True)
    next = serializers.IntegerField(help_text="The cursor for the next request.")


def limits_for(projects: Sequence[Project]) -> dict[int, Limits]:
    """Return the limits of the projects' owners, by user id.

    It takes three queries for any number of projects.
    """
    return limits_of_many({project.owner for project in projects})
