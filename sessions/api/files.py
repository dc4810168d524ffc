"""``/api/v1/projects/<name>/files/``: a person's own files while the notebook does not run."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from keys.authentication import MissingScope
from keys.models import Token
from sessions.api.endpoint import NotJsonRenderer, current_user, get_project
from sessions.lifecycle import my_files
from sessions.repofiles.browse import FILE, FOLDER, LINK, MAX_ENTRIES, OTHER, Entry

NOTEBOOK_SCOPE = "notebook"


class PathSerializer(serializers.Serializer[Any]):
    """Which file or folder."""

    path = serializers.CharField(
        default="",
        allow_blank=True,
        trim_whitespace=False,
        help_text="Below `project` (the project's own files) or `volume` (your folder).",
    )
    zip = serializers.BooleanField(
        default=False, help_text="Return a folder as a ZIP archive instead of its list."
    )


class EntrySerializer(serializers.Serializer[Any]):
    """A file or folder."""

    name = serializers.CharField()
    path = serializers.CharField(
        allow_null=True, help_text="Null if it is not UTF-8 or too long: fetch its folder."
    )
    kind = serializers.ChoiceField(choices=(FOLDER, FILE, LINK, OTHER))
    size = serializers.IntegerField(help_text="Bytes.")
    modified = serializers.DateTimeField(allow_null=True)


class ListingSerializer(serializers.Serializer[Any]):
    """A folder's entries."""

    path = serializers.CharField()
    entries = EntrySerializer(many=True)
    truncated = serializers.BooleanField(
        help_text=f"Whether there may be more than these {MAX_ENTRIES} entries: fetch a ZIP."
    )


class AnyRenderer(NotJsonRenderer):
    """A renderer that allows every ``Accept`` of a download; errors are still JSON."""

    media_type = "*/*"
    format = "bin"


class HasNotebookScope(BasePermission):
    """The permission of a token for what is in a notebook. Raises `MissingScope`."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if isinstance(request.auth, Token) and not request.auth.allows(NOTEBOOK_SCOPE):
            raise MissingScope(NOTEBOOK_SCOPE)
        return True


class FilesView(APIView):
    """The files of a project and of its person."""

    renderer_classes = (JSONRenderer, AnyRenderer)
    permission_classes = (*APIView.permission_classes, HasNotebookScope)

    @extend_schema(
        operation_id="get_files",
        summary="List or download my files",
        parameters=[PathSerializer],
        responses={
            (200, "application/json"): ListingSerializer,
            (200, "application/octet-stream"): OpenApiResponse(
                OpenApiTypes.BINARY, description="The file, or the folder as a ZIP."
            ),
        },
    )
    def get(self, request: Request, name: str) -> HttpResponseBase:
        """Return a folder's list, a folder as a ZIP, or a file, while the notebook does not run.

        Only for the owner. On a cluster, the first call is 503 `files.starting`, with
        `Retry-After`: the volume is mounted in a pod, which takes a few seconds.
        """
        path, as_zip = self._wanted(request)
        user = current_user(request)
        files = my_files.open_files(get_project(request, name), user)
        with my_files.translated(path):
            if files.kind(path) == FILE:
                return my_files.file_response(files, path, user)
            if as_zip:
                return my_files.folder_response(files, path or name, user)
            found = [_serialize(entry) for entry in files.entries(path)]
        truncated = len(found) >= MAX_ENTRIES
        return Response({"path": path, "entries": found, "truncated": truncated})

    @extend_schema(
        operation_id="delete_files",
        summary="Delete one of my files",
        parameters=[PathSerializer],
        responses={
            202: OpenApiResponse(description="It is large, and its deletion continues."),
            204: OpenApiResponse(description="It is deleted."),
        },
    )
    def delete(self, request: Request, name: str) -> Response:
        """Delete a file, or a folder with everything in it; this cannot be undone."""
        path, _as_zip = self._wanted(request)
        files = my_files.open_files(get_project(request, name), current_user(request))
        with my_files.translated(path):
            is_gone = files.delete(path)
        return Response(status=204 if is_gone else 202)

    def _wanted(self, request: Request) -> tuple[str, bool]:
        serializer = PathSerializer(data=request.query_params)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data["path"], serializer.validated_data["zip"]


def _serialize(entry: Entry) -> dict[str, Any]:
    return EntrySerializer({**asdict(entry), "modified": my_files.modified_at(entry)}).data
