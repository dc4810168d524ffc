"""``/api/v1/schema/``: the API in OpenAPI 3, made from the views and completed here.

drf-spectacular reads what each view takes and answers; what holds for all of them (the errors,
``Idempotency-Key``, ``Link``) is put on here, so that no view has to say it.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sessions.api import problems
from sessions.api.idempotency import HEADER, LONGEST, REPLAYED

KEY = {
    "name": HEADER,
    "in": "header",
    "description": "Makes sure that what is sent twice happens once; a UUID, for example.",
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": "^[ -~]+$"},
}
YAML = (OpenApiYamlRenderer2, OpenApiYamlRenderer)


class Described(AutoSchema):
    """How each view is described (``DEFAULT_SCHEMA_CLASS``)."""

    def get_paginated_name(self, serializer_name: str) -> str:
        """A page is a plain list of what is in it."""
        return f"{serializer_name}s"


class Bearer(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How programs say who they are."""

    target_class = "keys.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        text = "A token of your account page: `Authorization: Bearer bdy_…`"
        return {"type": "http", "scheme": "bearer", "description": text}


class SchemaView(APIView):
    """It says nothing of anybody, so everybody may read it."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    renderer_classes = (OpenApiJsonRenderer2, OpenApiJsonRenderer, *YAML)

    def get_renderers(self) -> list[BaseRenderer]:
        """``?format=yaml`` is for browsers, which cannot choose what they accept."""
        if self.request.GET.get("format") == "yaml":
            return [kind() for kind in YAML]
        return super().get_renderers()

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        return Response(schema())


@cache
def schema() -> dict[str, Any]:
    """The same for as long as the process runs."""
    made: dict[str, Any] = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
    return made


def complete(result: dict[str, Any], **others: Any) -> dict[str, Any]:
    """What spectacular has made, with what holds for every call (a postprocessing hook)."""
    components = result["components"]
    components["schemas"]["Error"] = problems.ERROR
    components["responses"] = problems.RESPONSES
    for path, methods in result["paths"].items():
        for method, operation in methods.items():
            _complete(operation, path, method)
    return result


def _complete(operation: dict[str, Any], path: str, method: str) -> None:
    parameters = operation.setdefault("parameters", [])
    answers = operation["responses"]
    if method == "post":
        parameters.append(KEY)
        _headers(answers, REPLAYED, "`true` where this was answered before.")
    if any(parameter["name"] == "cursor" for parameter in parameters):
        _headers(answers, "Link", 'The next page, as `<address>; rel="next"` (RFC 8288).')
    told = [status for status in answers if status >= "4" and "content" not in answers[status]]
    for status in {*told, *problems.of(operation, path, method)}:
        answers[status] = {"$ref": f"#/components/responses/{problems.NAMES[status]}"}
    operation["responses"] = dict(sorted(answers.items()))


def _headers(answers: dict[str, Any], name: str, text: str) -> None:
    for status, answer in answers.items():
        if status.startswith("2"):
            header = {"description": text, "schema": {"type": "string"}}
            answer.setdefault("headers", {})[name] = header
