"""``/api/v1/ssh-key/``: the public half of a person's SSH key pair; the private one is for their
notebooks alone."""

from __future__ import annotations

from typing import Any, cast

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from keys.models import KeyPair
from portal.models import User
from sessions.lifecycle import sshkey


class NoKey(NotFound):
    default_code = "ssh-key.none"

    def __init__(self) -> None:
        text = _(
            "You have no SSH key yet. One is made with your first launch, or with a POST to "
            "ssh-key/rotate/."
        )
        super().__init__(text)


class SshKeySerializer(serializers.ModelSerializer[KeyPair]):
    """``public_key`` is a line for ``authorized_keys``, ``fingerprint`` as OpenSSH shows it."""

    public_key = serializers.CharField(source="public", read_only=True)
    type = serializers.CharField(read_only=True)

    class Meta:
        model = KeyPair
        fields = ("public_key", "type", "fingerprint", "created")
        read_only_fields = fields


class SshKeyView(APIView):
    @extend_schema(
        operation_id="get_ssh_key",
        summary="My public SSH key",
        responses={200: SshKeySerializer, 404: None},
    )
    def get(self, request: Request) -> Response:
        """The public half, for GitHub, GitLab and other machines; 404 before the first launch."""
        pair = KeyPair.objects.filter(user=cast(User, request.user)).first()
        if pair is None:
            raise NoKey
        return Response(_shown(pair))


class RotateView(APIView):
    @extend_schema(
        operation_id="rotate_ssh_key",
        summary="A new SSH key",
        request=None,
        responses=SshKeySerializer,
    )
    def post(self, request: Request) -> Response:
        """A new one in its place, or the first. What the old one opens stays closed to the new
        one until that is added there; notebooks that run have it within about a minute."""
        return Response(_shown(sshkey.replace(cast(User, request.user))))


def _shown(pair: KeyPair) -> dict[str, Any]:
    return SshKeySerializer(pair).data
