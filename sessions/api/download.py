"""``/api/v1/me/download/``: what the account page's Download is, for programs."""

from __future__ import annotations

from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from portal import takeout
from sessions.api.asking import person

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
        return takeout.archive(person(request))
