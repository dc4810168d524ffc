"""``/api/v1/me/`` and ``/api/v1/ssh-key/``: the signed-in person, and their SSH key pair.

``me/`` has the person, their limits and use; ``me/download/`` is the same archive of their data as
on the account page, for programs. ``ssh-key/`` shows and replaces the public half of the key pair;
the private half is only for their notebooks.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, cast

from django.contrib.auth.models import Group
from django.db.models import BigIntegerField
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from keys.models import KeyPair, Token
from portal.lib.db import CompiledQuery, Param
from portal.models import User
from portal.privacy import export
from quotas.fields import FIELDS
from quotas.limits import limits_of
from sessions.api.endpoint import NotJsonRenderer, current_user
from sessions.lifecycle import admission, sshkey


def _limit_field(name: str) -> serializers.Field[Any, Any, Any, Any]:
    return serializers.IntegerField() if FIELDS[name].whole else serializers.FloatField()


class LimitsSerializer(serializers.Serializer[Any]):
    """Limits of a person."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {name: _limit_field(name) for name in FIELDS}


class UsageSerializer(serializers.Serializer[Any]):
    """Resources that a person has in use."""

    projects = serializers.IntegerField()
    running = serializers.IntegerField()
    cpu = serializers.FloatField()
    memory_gb = serializers.FloatField()
    gpu = serializers.IntegerField()


SELECTION = "identity"
_UNKNOWN = gettext_lazy("“%(fields)s” is none of the choices: use identity, or leave it out.")


class SelectionSerializer(serializers.Serializer[Any]):
    """Which fields to return."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        text = "`identity`: only `username`, `email` and `is_staff`, which is quicker to answer."
        # A class attribute of this name would hide the serializer's own.
        return {"fields": serializers.ChoiceField([SELECTION], required=False, help_text=text)}


class MeSerializer(serializers.Serializer[Any]):
    """A person, with their limits and use unless only their identity was asked for."""

    username = serializers.CharField()
    name = serializers.CharField(required=False, help_text="The full name, if known.")
    email = serializers.CharField()
    is_staff = serializers.BooleanField()
    groups = serializers.ListField(child=serializers.CharField(), required=False)
    scopes = serializers.ListField(
        child=serializers.CharField(),
        allow_null=True,
        required=False,
        help_text="The token's scopes; null for a signed-in browser, which needs no token.",
    )
    limits = LimitsSerializer(required=False)
    usage = UsageSerializer(required=False)


_GROUPS = CompiledQuery(
    lambda: (
        Group.objects.filter(user=Param("user", BigIntegerField()))
        .order_by("name")
        .values_list("name", flat=True)
    )
)


class MeView(APIView):
    """The signed-in person."""

    @extend_schema(
        operation_id="get_me",
        summary="My account, limits and usage",
        parameters=[SelectionSerializer],
        responses=MeSerializer,
    )
    def get(self, request: Request) -> Response:
        """Return the owner of the token, or the person who is signed in."""
        user = current_user(request)
        if fields := request.query_params.get("fields"):
            # As quick as it gets: the serializer only describes this.
            if fields != SELECTION:
                raise ValidationError({"fields": [_UNKNOWN % {"fields": fields}]})
            return Response(
                {"username": user.username, "email": user.email, "is_staff": user.is_staff}
            )
        return Response(
            {
                "username": user.username,
                "name": user.get_full_name(),
                "email": user.email,
                "is_staff": user.is_staff,
                "groups": _GROUPS(user=user.pk),
                "scopes": request.auth.scopes if isinstance(request.auth, Token) else None,
                "limits": asdict(limits_of(user)),
                "usage": asdict(admission.usage_of(user)),
            }
        )


ZIP = "application/zip"


class ArchiveRenderer(NotJsonRenderer):
    """A renderer that allows ``Accept: application/zip``; errors are still JSON."""

    media_type = ZIP
    format = "zip"


class DownloadView(APIView):
    """The signed-in person's data."""

    renderer_classes = (JSONRenderer, ArchiveRenderer)

    @extend_schema(
        operation_id="download_me",
        summary="Download my data",
        responses={(200, ZIP): OpenApiResponse(OpenApiTypes.BINARY, description="A ZIP.")},
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Return a ZIP archive of your data.

        Its files have one JSON row per line, and its README explains them. It contains no secrets,
        and no files of notebooks.
        """
        return export.archive(current_user(request))


class NoKeyPair(NotFound):
    """Raised if the person has no SSH key yet."""

    default_code = "ssh-key.none"

    def __init__(self) -> None:
        text = _(
            "You have no SSH key yet. Your first launch creates one, or create it now with a POST "
            "to ssh-key/rotate/."
        )
        super().__init__(text)


class SshKeySerializer(serializers.ModelSerializer[KeyPair]):
    """An SSH public key: a line for `authorized_keys`, and its fingerprint in OpenSSH's form."""

    public_key = serializers.CharField(source="public", read_only=True)
    type = serializers.CharField(read_only=True)

    class Meta:
        model = KeyPair
        fields = ("public_key", "type", "fingerprint", "created")
        read_only_fields = fields


class SshKeyView(APIView):
    """The signed-in person's public SSH key."""

    @extend_schema(
        operation_id="get_ssh_key",
        summary="My public SSH key",
        responses={200: SshKeySerializer, 404: None},
    )
    def get(self, request: Request) -> Response:
        """Return the public half of your key, for GitHub, GitLab and other machines.

        It is 404 before your first launch.
        """
        pair = KeyPair.objects.filter(user=cast(User, request.user)).first()
        if pair is None:
            raise NoKeyPair
        return Response(_serialize(pair))


class RotateView(APIView):
    """The replacement of the signed-in person's SSH key."""

    @extend_schema(
        operation_id="rotate_ssh_key",
        summary="Replace my SSH key",
        request=None,
        responses=SshKeySerializer,
    )
    def post(self, request: Request) -> Response:
        """Replace your key with a new one, or make your first.

        The new key has no access until you add it wherever you had added the old one. Running
        notebooks get it within about a minute.
        """
        return Response(_serialize(sshkey.replace_key_pair(cast(User, request.user))))


def _serialize(pair: KeyPair) -> dict[str, Any]:
    return SshKeySerializer(pair).data
