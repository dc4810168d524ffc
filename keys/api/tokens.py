"""``/api/v1/tokens/``: a person's own tokens.

Tokens as JSON, and what making one takes.

``/api/v1/tokens/``: a person's own tokens. The secret of one stands in the answer to making it
and nowhere else.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from django.core.exceptions import ValidationError as Refused
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import generics, serializers
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from keys.issuing import in_days, issue
from keys.models import SCOPES, Token
from keys.models.token import latest_end
from portal.models import User


def scopes(**options: Any) -> serializers.ListField:
    return serializers.ListField(child=serializers.ChoiceField(list(SCOPES.items())), **options)


class TokenSerializer(serializers.ModelSerializer[Token]):
    """What is known of a token; the secret is not."""

    starts_with = serializers.CharField(source="start", read_only=True)
    scopes = scopes(read_only=True)

    class Meta:
        model = Token
        fields = ("id", "name", "starts_with", "scopes", "created", "last_used", "expires")
        read_only_fields = fields


class NewTokenSerializer(TokenSerializer):
    """The answer to making one, the only place where its secret stands."""

    secret = serializers.CharField(read_only=True)

    class Meta(TokenSerializer.Meta):
        fields = (*TokenSerializer.Meta.fields, "secret")  # type: ignore[assignment]
        read_only_fields = fields  # type: ignore[assignment]


class TokenWishSerializer(serializers.Serializer[Any]):
    """Without scopes it is for all that its maker's is for; without an end it lasts as long as
    one may here. What is refused, `keys.issuing` says."""

    name = serializers.CharField(max_length=100)
    scopes = scopes(required=False, allow_empty=False)
    expires = serializers.DateTimeField(required=False, allow_null=True)
    days = serializers.IntegerField(required=False, allow_null=True)

    def validate_days(self, days: int | None) -> int | None:
        if days is not None:
            in_days(days)
        return days

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        days = attrs.pop("days", None)
        if days is not None and attrs.get("expires"):
            raise serializers.ValidationError(
                {"days": gettext_lazy("Give “expires” or “days”, not both.")}
            )
        return attrs if days is None else {**attrs, "expires": in_days(days)}


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
