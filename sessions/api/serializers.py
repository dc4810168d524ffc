"""Projects as JSON, and what a launch takes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rest_framework import serializers

from quotas.limits import limits_of
from sessions.lifecycle.needs import by_default
from sessions.models import Project


class LaunchSerializer(serializers.Serializer[Any]):
    """Lengths and spelling are judged by the providers, in words."""

    repository = serializers.CharField(allow_blank=True, trim_whitespace=False)
    ref = serializers.CharField(allow_blank=True, default="", trim_whitespace=False)
    path = serializers.CharField(allow_blank=True, default="", trim_whitespace=False)


class ProjectSerializer(serializers.ModelSerializer[Project]):
    state = serializers.CharField()
    message = serializers.CharField(source="current.message", default="")
    code = serializers.CharField(source="current.code", default="")
    url = serializers.CharField(source="notebook_url")
    resources = serializers.SerializerMethodField()
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
            "state",
            "message",
            "code",
            "url",
            "resources",
            "created",
            "last_activity",
            "deletes_at",
        ]

    def get_resources(self, project: Project) -> dict[str, Any]:
        if project.current:
            return asdict(project.current.resources)
        return asdict(by_default(limits_of(project.owner)))

    def get_deletes_at(self, project: Project) -> None:
        """Nothing is deleted for inactivity yet."""
