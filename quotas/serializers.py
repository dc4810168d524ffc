"""How `quotas.api` answers and what it takes, for the schema of the API."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from quotas.effective import Source
from quotas.fields import FIELDS

Field = serializers.Field[Any, Any, Any, Any]


class FigureSerializer(serializers.Serializer[Any]):
    own = serializers.FloatField(allow_null=True, help_text="Set for this person; null inherits.")
    inherited = serializers.FloatField(help_text="What holds without it.")
    effective = serializers.FloatField(help_text="What holds now.")
    source = serializers.ChoiceField(choices=Source.choices)  # type: ignore[assignment]  # a name of theirs
    group = serializers.CharField(required=False, help_text="The group that it is set for.")
    until = serializers.DateField(required=False, help_text="The last day of a grant.")


class FiguresSerializer(serializers.Serializer[Any]):
    def get_fields(self) -> dict[str, Field]:
        return {name: FigureSerializer() for name in FIELDS}


class PersonLimitsSerializer(serializers.Serializer[Any]):
    username = serializers.CharField()
    limits = FiguresSerializer()


class LimitsChangeSerializer(serializers.Serializer[Any]):
    """Limits that are not named stay as they are."""

    def get_fields(self) -> dict[str, Field]:
        return {name: self._one(whole=field.whole) for name, field in FIELDS.items()}

    def _one(self, *, whole: bool) -> Field:
        kind = serializers.IntegerField if whole else serializers.FloatField
        return kind(required=False, allow_null=True, help_text="null inherits again.")
