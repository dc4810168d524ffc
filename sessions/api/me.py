"""``/api/v1/me/`` and the export of a person's data.

``/api/v1/me/``: who asks, what they may have, and what they have in use.

``/api/v1/me/download/``: what the account page's Download is, for programs.
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
    """What somebody may have, as `quotas.limits.Limits` says it."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {name: _figure(name) for name in FIELDS}


class UsageSerializer(serializers.Serializer[Any]):
    """What somebody has in use."""

    projects = serializers.IntegerField()
    running = serializers.IntegerField()
    cpu = serializers.FloatField()
    memory_gb = serializers.FloatField()
    gpu = serializers.IntegerField()


class MeSerializer(serializers.Serializer[Any]):
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
    @extend_schema(
        operation_id="get_me", summary="Who I am, my limits and my use", responses=MeSerializer
    )
    def get(self, request: Request) -> Response:
        """Whom the token belongs to, or who is signed in."""
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
    """Lets ``Accept: application/zip`` be asked for; errors are still JSON."""

    media_type = ZIP
    format = "zip"

    def render(self, data: Any, *args: Any, **kwargs: Any) -> bytes:
        return JSONRenderer().render(data)


class DownloadView(APIView):
    renderer_classes = (JSONRenderer, ArchiveRenderer)

    @extend_schema(
        operation_id="download_me",
        summary="All that the portal knows about me",
        responses={(200, ZIP): OpenApiResponse(OpenApiTypes.BINARY, description="A ZIP.")},
    )
    def get(self, request: Request) -> HttpResponseBase:
        """An archive of files with a row a line, as JSON; its README says what is what. No secret
        is in it, and neither are the files of notebooks."""
        return export.archive(person(request))
