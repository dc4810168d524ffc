"""``/api/v1/ssh-key/``: show and replace the public half of a person's SSH key pair.

The private half is only for their notebooks.
"""

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
    """Raised if the person has no SSH key yet."""

    default_code = "ssh-key.none"

    def __init__(self) -> None:
        text = _(
            "You have no SSH key yet. One is made with your first launch, or with a POST to "
            "ssh-key/rotate/."
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
        """The public half of your key, for GitHub, GitLab and other machines. It is 404 before your
        first launch.
        """
        pair = KeyPair.objects.filter(user=cast(User, request.user)).first()
        if pair is None:
            raise NoKey
        return Response(_shown(pair))


class RotateView(APIView):
    """The replacement of the signed-in person's SSH key."""

    @extend_schema(
        operation_id="rotate_ssh_key",
        summary="A new SSH key",
        request=None,
        responses=SshKeySerializer,
    )
    def post(self, request: Request) -> Response:
        """Replace your key with a new one, or make your first. The new key has no access until you
        add it wherever you had added the old one. Running notebooks get it within about a
        minute.
        """
        return Response(_shown(sshkey.replace(cast(User, request.user))))


def _shown(pair: KeyPair) -> dict[str, Any]:
    return SshKeySerializer(pair).data
