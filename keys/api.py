"""``/api/v1/tokens/``: list, make and revoke a person's own tokens.

The secret of a token is in the answer to making it, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema, extend_schema_serializer, extend_schema_view
from rest_framework import generics, serializers
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from keys.issuing import expiry_in_days, issue
from keys.models import SCOPES, Token, latest_expiry
from portal.models import User

CSRF_FIELD = "csrfmiddlewaretoken"
"""In forms of a browser."""


class KnownFieldsSerializer(serializers.Serializer[Any]):
    """Base class of what a request may ask for: a misspelled wish is refused, not ignored."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the native values. Raises `ValidationError` for a field that there is not."""
        if isinstance(data, Mapping):
            known = {*self.fields, CSRF_FIELD}
            unknown = [str(name)[:100] for name in data if name not in known]
            if unknown:
                message = _("There is no field with this name.")
                raise ValidationError({name: [message] for name in unknown[:10]})
        return super().to_internal_value(data)


def scopes_field(**options: Any) -> serializers.ListField:
    """Return a field for a list of scopes."""
    return serializers.ListField(child=serializers.ChoiceField(list(SCOPES.items())), **options)


class TokenSerializer(serializers.ModelSerializer[Token]):
    """A token, without its secret."""

    starts_with = serializers.CharField(source="start", read_only=True)
    scopes = scopes_field(read_only=True)

    class Meta:
        model = Token
        fields = ("id", "name", "starts_with", "scopes", "created", "last_used", "expires")
        read_only_fields = fields


class NewTokenSerializer(TokenSerializer):
    """A new token; its `secret` is shown in this answer only."""

    secret = serializers.CharField(read_only=True)

    class Meta(TokenSerializer.Meta):
        fields = (*TokenSerializer.Meta.fields, "secret")  # type: ignore[assignment]
        read_only_fields = fields  # type: ignore[assignment]


@extend_schema_serializer(component_name="TokenWish")
class TokenRequestSerializer(KnownFieldsSerializer):
    """A token to make.

    Without `scopes` it has all scopes of the token or person that makes it; without `expires` or
    `days` it lasts as long as it may.
    """

    name = serializers.CharField(max_length=100)
    scopes = scopes_field(required=False, allow_empty=False)
    expires = serializers.DateTimeField(required=False, allow_null=True)
    days = serializers.IntegerField(required=False, allow_null=True)

    def validate_days(self, days: int | None) -> int | None:
        """Check the number of days."""
        if days is not None:
            expiry_in_days(days)
        return days

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        days = attrs.pop("days", None)
        if days is not None and attrs.get("expires"):
            raise serializers.ValidationError(
                {"days": gettext_lazy("Send “expires” or “days”, not both.")}
            )
        return attrs if days is None else {**attrs, "expires": expiry_in_days(days)}


class ExceedsIssuingToken(PermissionDenied):
    """Raised if a token would make one with more scopes or a later end: a leaked token must not."""

    default_code = "token.beyond"

    def __init__(self) -> None:
        text = _(
            "A token made with another token cannot have more scopes than that one or "
            "expire later. Ask for less, or create it on your account page."
        )
        super().__init__(text)


class OwnTokens(generics.GenericAPIView[Token]):
    """Base class of views of the signed-in person's tokens."""

    serializer_class = TokenSerializer

    def get_queryset(self) -> QuerySet[Token]:
        if not self.request.user.is_authenticated:  # drf-spectacular builds the schema
            return Token.objects.none()
        return Token.objects.filter(user=self.request.user).defer("digest").order_by("-created")


@extend_schema_view(get=extend_schema(operation_id="list_tokens", summary="My tokens"))
class TokensView(OwnTokens, generics.ListAPIView[Token]):
    """The list of tokens.

    ``has_secret_response``: its answers to a POST are not stored to be given again.
    """

    has_secret_response = True

    @extend_schema(operation_id="list_tokens", summary="My tokens")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Your tokens that are not revoked, newest first; expired ones are included."""
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="make_token",
        summary="Create a token",
        request=TokenRequestSerializer,
        responses={201: NewTokenSerializer},
    )
    def post(self, request: Request) -> Response:
        """Make a token.

        Its secret is in this answer only: nobody can read it again. If you make it with a token, it
        can have no more scopes and no later end than that one.
        """
        given = TokenRequestSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        token, secret = _issue_token(request, **given.validated_data)
        body = {**TokenSerializer(token).data, "secret": secret}
        return Response(body, status=201, headers={"Cache-Control": "no-store"})


@extend_schema_view(delete=extend_schema(operation_id="revoke_token", summary="Revoke a token"))
class TokenView(OwnTokens, generics.DestroyAPIView[Token]):
    """One token."""

    @extend_schema(operation_id="revoke_token", summary="Revoke a token")
    def delete(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Revoke the token. It stops working at once; anything opened with it ends in seconds."""
        return super().delete(request, *args, **kwargs)


def _issue_token(
    request: Request,
    name: str,
    scopes: list[str] | None = None,
    expires: datetime | None = None,
) -> tuple[Token, str]:
    by = request.auth if isinstance(request.auth, Token) else None
    wanted = scopes or (by.scopes if by else list(SCOPES))
    if by and expires is None:
        expires = by.expires and min(by.expires, latest_expiry())
    if by and not by.may_issue(wanted, expires or latest_expiry()):
        raise ExceedsIssuingToken
    try:
        return issue(cast(User, request.user), name, wanted, expires)
    except DjangoValidationError as refusal:
        raise ValidationError(_errors_by_field(refusal)) from None


def _errors_by_field(refusal: DjangoValidationError) -> dict[str, Any]:
    return dict(refusal.message_dict)
