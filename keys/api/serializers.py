"""Tokens as JSON, and what making one takes."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from keys.issuing import in_days
from keys.models import SCOPES, Token


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
            raise serializers.ValidationError({"days": _("Give “expires” or “days”, not both.")})
        return attrs if days is None else {**attrs, "expires": in_days(days)}
