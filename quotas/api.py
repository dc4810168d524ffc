"""``/api/v1/users/<username>/limits/``: read and set a person's limits, for staff.

A caller without the right to see them gets 404, as if nobody had this name.
"""

from __future__ import annotations

from typing import Any, cast

from django.core.exceptions import PermissionDenied
from django.core.exceptions import ValidationError as DjangoValidationError
from django.http import Http404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal import roles
from portal.models import User
from quotas import changes
from quotas.fields import Effective
from quotas.limits import effective_of

from .fields import FIELDS, Source

Field = serializers.Field[Any, Any, Any, Any]


class FigureSerializer(serializers.Serializer[Any]):
    """One limit of a person."""

    own = serializers.FloatField(
        allow_null=True, help_text="The value set for this person; null if it is inherited."
    )
    inherited = serializers.FloatField(help_text="The value that would apply otherwise.")
    effective = serializers.FloatField(help_text="The value in force now.")
    source = serializers.ChoiceField(choices=Source.choices)  # type: ignore[assignment]  # a name of theirs
    group = serializers.CharField(required=False, help_text="The group that the value is set for.")
    until = serializers.DateField(required=False, help_text="The last day of a grant.")


class FiguresSerializer(serializers.Serializer[Any]):
    """All limits of a person, by name."""

    def get_fields(self) -> dict[str, Field]:
        return {name: FigureSerializer() for name in FIELDS}


class PersonLimitsSerializer(serializers.Serializer[Any]):
    """A person and their limits."""

    username = serializers.CharField()
    limits = FiguresSerializer()


class LimitsChangeSerializer(serializers.Serializer[Any]):
    """Limits to set. Limits that are not named stay as they are."""

    def get_fields(self) -> dict[str, Field]:
        return {name: self._one(whole=field.whole) for name, field in FIELDS.items()}

    def _one(self, *, whole: bool) -> Field:
        kind = serializers.IntegerField if whole else serializers.FloatField
        return kind(required=False, allow_null=True, help_text="null to inherit the value again.")


class LimitsView(APIView):
    """A person's limits."""

    @extend_schema(
        operation_id="get_limits",
        summary="A person's limits (staff)",
        responses=PersonLimitsSerializer,
    )
    def get(self, request: Request, username: str) -> Response:
        """For each limit: the person's own figure, the inherited one, and the one in force."""
        return Response(_serialize(_find(request, username)))

    @extend_schema(
        operation_id="set_limits",
        summary="Set a person's limits (staff)",
        request=LimitsChangeSerializer,
        responses=PersonLimitsSerializer,
    )
    def patch(self, request: Request, username: str) -> Response:
        """Set limits: `{name: number}`, or null to inherit again. Others stay as they are."""
        user, by = _find(request, username), cast(User, request.user)
        if not (by.has_perm("quotas.change_limitset") and roles.may_change(by, user)):
            raise PermissionDenied
        figures = _parse_limits(request.data)
        try:
            changes.set_own_limits(user, figures)
        except DjangoValidationError as refusal:
            raise ValidationError(refusal.message_dict) from None
        return Response(_serialize(user))


def _find(request: Request, username: str) -> User:
    by = cast(User, request.user)
    user = User.objects.filter(username=username).first()
    if user is None or not (by.is_staff and by.has_perm("quotas.view_limitset")):
        raise Http404
    return user


def _parse_limits(data: Any) -> dict[str, float | None]:
    if not isinstance(data, dict):
        raise ValidationError(_("Send an object with a number or null for each limit."))
    errors = {
        name: [_("There is no limit with this name.")]
        if name not in FIELDS
        else [_("Send a number, or null to inherit the value again.")]
        for name, value in data.items()
        if name not in FIELDS or not _is_limit_value(value)
    }
    if errors:
        raise ValidationError(errors)
    return data


def _is_limit_value(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _serialize(user: User) -> dict[str, Any]:
    limits = {name: _serialize_limit(found) for name, found in effective_of(user).items()}
    return {"username": user.username, "limits": limits}


def _serialize_limit(found: Effective) -> dict[str, Any]:
    result = {
        "own": found.own,
        "inherited": found.inherited,
        "effective": found.value,
        "source": found.source.value,
    }
    if found.group:
        result["group"] = found.group
    if found.until:
        result["until"] = found.until.isoformat()
    return result
