"""``/api/v1/me/``: the signed-in person, their limits and use; ``me/download/``: their data.

The download is the same archive as on the account page, for programs.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.contrib.auth.models import Group
from django.db.models import BigIntegerField
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from keys.models import Token
from portal.lib.db import Given, Prepared
from portal.privacy import export
from quotas.fields import FIELDS
from quotas.limits import limits_of
from sessions.api.endpoint import person
from sessions.lifecycle import admission


def _figure(name: str) -> serializers.Field[Any, Any, Any, Any]:
    return serializers.IntegerField() if FIELDS[name].whole else serializers.FloatField()


class LimitsSerializer(serializers.Serializer[Any]):
    """Limits of a person."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {name: _figure(name) for name in FIELDS}


class UsageSerializer(serializers.Serializer[Any]):
    """Resources that a person has in use."""

    projects = serializers.IntegerField()
    running = serializers.IntegerField()
    cpu = serializers.FloatField()
    memory_gb = serializers.FloatField()
    gpu = serializers.IntegerField()


class MeSerializer(serializers.Serializer[Any]):
    """A person, with their limits and use."""

    username = serializers.CharField()
    name = serializers.CharField(help_text="The full name, where it is known.")
    email = serializers.CharField()
    is_staff = serializers.BooleanField()
    groups = serializers.ListField(child=serializers.CharField())
    scopes = serializers.ListField(
        child=serializers.CharField(),
        allow_null=True,
        help_text="What the token is for; null for the signed-in browser, which needs none.",
    )
    limits = LimitsSerializer()
    usage = UsageSerializer()


_GROUPS = Prepared(
    lambda: (
        Group.objects.filter(user=Given("user", BigIntegerField()))
        .order_by("name")
        .values_list("name", flat=True)
    )
)


class MeView(APIView):
    """The signed-in person."""

    @extend_schema(
        operation_id="get_me", summary="Who I am, my limits and my use", responses=MeSerializer
    )
    def get(self, request: Request) -> Response:
        """The owner of the token, or the person who is signed in."""
        user = person(request)
        return Response(
            {
                "username": user.username,
                "name": user.get_full_name(),
                "email": user.email,
                "is_staff": user.is_staff,
                "groups": _GROUPS(user=user.pk),
                "scopes": request.auth.scopes if isinstance(request.auth, Token) else None,
                "limits": asdict(limits_of(user)),
                "usage": asdict(admission.use_of(user)),
            }
        )


ZIP = "application/zip"


class ArchiveRenderer(BaseRenderer):
    """A renderer that allows ``Accept: application/zip``; errors are still JSON."""

    media_type = ZIP
    format = "zip"

    def render(self, data: Any, *args: Any, **kwargs: Any) -> bytes:
        return JSONRenderer().render(data)


class DownloadView(APIView):
    """The signed-in person's data."""

    renderer_classes = (JSONRenderer, ArchiveRenderer)

    @extend_schema(
        operation_id="download_me",
        summary="All that the portal knows about me",
        responses={(200, ZIP): OpenApiResponse(OpenApiTypes.BINARY, description="A ZIP.")},
    )
    def get(self, request: Request) -> HttpResponseBase:
        """A ZIP archive of your data, in files with one JSON row per line; its README explains the
        files. It contains no secrets, and no files of notebooks.
        """
        return export.archive(person(request))
