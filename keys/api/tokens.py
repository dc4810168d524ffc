"""``/api/v1/tokens/``: a person's own tokens. The secret of one stands in the answer to making it
and nowhere else."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from django.core.exceptions import ValidationError as Refused
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import generics
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from keys.api.serializers import NewTokenSerializer, TokenSerializer, TokenWishSerializer
from keys.issuing import issue
from keys.models import SCOPES, Token
from keys.models.token import latest_end
from portal.models import User


class Beyond(PermissionDenied):
    """With a token that leaks, nobody shall make one that does more, or that outlives it."""

    default_code = "token.beyond"

    def __init__(self) -> None:
        text = _(
            "A token made with a token has no more scopes and no later end than that one."
            " Ask for less, or make it on your account page."
        )
        super().__init__(text)


class OwnTokens(generics.GenericAPIView[Token]):
    serializer_class = TokenSerializer

    def get_queryset(self) -> QuerySet[Token]:
        if not self.request.user.is_authenticated:  # only the schema is asked for
            return Token.objects.none()
        return Token.objects.filter(user=self.request.user).defer("digest").order_by("-created")


@extend_schema_view(get=extend_schema(operation_id="list_tokens", summary="My tokens"))
class TokensView(OwnTokens, generics.ListAPIView[Token]):
    """``secret_answers``: what it answers to a POST is kept nowhere, to be given again."""

    secret_answers = True

    @extend_schema(operation_id="list_tokens", summary="My tokens")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Those that have not been revoked, the newest first; expired ones, too."""
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="make_token",
        summary="Make a token",
        request=TokenWishSerializer,
        responses={201: NewTokenSerializer},
    )
    def post(self, request: Request) -> Response:
        """Its secret is in this answer only: nobody can read it again. Made with a token, it can
        have no more scopes and no later end than that one."""
        wish = TokenWishSerializer(data=request.data)
        wish.is_valid(raise_exception=True)
        token, secret = _made(request, **wish.validated_data)
        body = {**TokenSerializer(token).data, "secret": secret}
        return Response(body, status=201, headers={"Cache-Control": "no-store"})


@extend_schema_view(delete=extend_schema(operation_id="revoke_token", summary="Revoke a token"))
class TokenView(OwnTokens, generics.DestroyAPIView[Token]):
    @extend_schema(operation_id="revoke_token", summary="Revoke a token")
    def delete(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """It is good for nothing from then on; what is open with it ends within seconds."""
        return super().delete(request, *args, **kwargs)


def _made(
    request: Request,
    name: str,
    scopes: list[str] | None = None,
    expires: datetime | None = None,
) -> tuple[Token, str]:
    by = request.auth if isinstance(request.auth, Token) else None
    wanted = scopes or (by.scopes if by else list(SCOPES))
    if by and expires is None:
        expires = by.expires and min(by.expires, latest_end())
    if by and not by.may_make(wanted, expires or latest_end()):
        raise Beyond
    try:
        return issue(cast(User, request.user), name, wanted, expires)
    except Refused as refusal:
        raise ValidationError(_by_field(refusal)) from None


def _by_field(refusal: Refused) -> dict[str, Any]:
    return dict(refusal.message_dict)
