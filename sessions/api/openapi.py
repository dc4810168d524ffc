"""Describe the API in OpenAPI 3, errors included, and serve its reference page.

``/api/v1/schema/`` serves the schema. drf-spectacular reads what each view takes and answers; what
all views share (errors, which `errors` makes, ``Idempotency-Key``, ``Link``) is added here, so that
no view has to repeat it.

``/api/v1/docs/`` shows the schema as a page. A signed-in person can try calls there with their
browser's session.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.authentication import SessionScheme
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

from . import reference
from .idempotency import KEY_HEADER, MAX_KEY_LENGTH, REPLAYED_HEADER

ERROR_SCHEMA = {
    "type": "object",
    "required": ["code", "detail"],
    "properties": {
        "code": {"type": "string", "description": "A stable code for programs."},
        "detail": {
            "type": "string",
            "description": "For people: what happened, what it means and what to do next.",
        },
        "fields": {
            "type": "object",
            "additionalProperties": True,
            "description": "With `invalid`: what is wrong with each field.",
        },
        "reference": {
            "type": "string",
            "description": "With status 500 and above: a reference to give to staff.",
        },
    },
    "additionalProperties": True,
}


def _error(
    description: str, code: str, detail: str, headers: dict[str, Any] | None = None
) -> dict[str, Any]:
    content = {
        "schema": {"$ref": "#/components/schemas/Error"},
        "example": {"code": code, "detail": detail},
    }
    answer = {"description": description, "content": {"application/json": content}}
    return {**answer, "headers": headers} if headers else answer


_SECONDS = {"description": "Seconds to wait before trying again.", "schema": {"type": "integer"}}

RESPONSES = {
    "BadRequest": _error(
        "The request is malformed or not valid.", "invalid", "repository: This field is required."
    ),
    "NotSignedIn": _error(
        "The token is missing or not valid.",
        "token.invalid",
        "This token is unknown or has expired. Make a new one.",
        {"WWW-Authenticate": {"schema": {"type": "string"}}},
    ),
    "Forbidden": _error(
        "The token lacks the scope, or you have read-only access.",
        "token.scope",
        "This token does not have the scope “launch”.",
    ),
    "NotFound": _error("It does not exist, or is not yours.", "not_found", "Not found."),
    "NotAcceptable": _error(
        "None of the formats in `Accept` is available.",
        "not_acceptable",
        "Could not satisfy the request Accept header.",
    ),
    "Conflict": _error(
        "Its state or a limit does not allow this, or a request with this key is still in "
        "progress.",
        "project.state",
        "The notebook is not running, so there is nothing to stop.",
    ),
    "WrongType": _error(
        "The media type of the body is not supported.",
        "unsupported_media_type",
        "Unsupported media type “text/plain” in request.",
    ),
    "KeyReused": _error(
        "The `Idempotency-Key` was already used for a different request.",
        "idempotency.key-reused",
        "This Idempotency-Key was already used for a different request.",
    ),
    "TooOften": _error(
        "Too many requests.",
        "throttled",
        "You have sent too many requests, so this one was not carried out. Try again in 20 "
        "seconds.",
        {"Retry-After": _SECONDS},
    ),
    "Ours": _error(
        "An internal error.", "error", "Something went wrong on our side. The reference is …"
    ),
    "NotNow": _error(
        "Temporarily unavailable; try again later.",
        "local.no-sandbox",
        "Notebooks cannot be started right now.",
        {"Retry-After": _SECONDS},
    ),
}


RESPONSE_NAMES = {
    "400": "BadRequest",
    "401": "NotSignedIn",
    "403": "Forbidden",
    "404": "NotFound",
    "406": "NotAcceptable",
    "409": "Conflict",
    "415": "WrongType",
    "422": "KeyReused",
    "429": "TooOften",
    "500": "Ours",
    "503": "NotNow",
}


def error_statuses(operation: dict[str, Any], path: str, method: str) -> Iterator[str]:
    """Yield the error statuses that a call can be answered with."""
    has_body = "requestBody" in operation
    changes_project = "/projects/" in path and method in {"post", "delete"}
    yield from ("401", "403", "406", "429", "500")
    if (
        method == "post"
        or has_body
        or any(each["in"] == "query" for each in _parameters(operation))
    ):
        yield "400"
    if "{" in path or any(each["name"] == "owner" for each in _parameters(operation)):
        yield "404"
    if method == "post" or changes_project:
        yield "409"
    if method in {"post", "patch", "put"}:
        yield "415"
    if method == "post":
        yield "422"
    if changes_project or path.endswith("/files/"):
        yield "503"


def _parameters(operation: dict[str, Any]) -> list[dict[str, Any]]:
    given: list[dict[str, Any]] = operation["parameters"]
    return given


IDEMPOTENCY_KEY_PARAMETER = {
    "name": KEY_HEADER,
    "in": "header",
    "description": "Ensures that a request sent twice takes effect once; a UUID, for example.",
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_KEY_LENGTH,
        "pattern": "^[ -~]+$",
    },
}
YAML = (OpenApiYamlRenderer2, OpenApiYamlRenderer)


class ApiSchema(AutoSchema):
    """Description of each view (``DEFAULT_SCHEMA_CLASS``)."""

    def get_paginated_name(self, serializer_name: str) -> str:
        """Name a page after its rows: it is a plain list of them."""
        return f"{serializer_name}s"


class TokenAuthenticationScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The authentication scheme of programs."""

    target_class = "keys.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        text = "A token from your account page: `Authorization: Bearer bdy_…`"
        return {"type": "http", "scheme": "bearer", "description": text}


class CookieScheme(SessionScheme):  # type: ignore[no-untyped-call]
    """The authentication scheme of signed-in browsers."""

    target_class = "keys.authentication.CookieAuthentication"


class SchemaView(APIView):
    """The schema, public because it holds no personal data."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    renderer_classes = (OpenApiJsonRenderer2, OpenApiJsonRenderer, *YAML)

    def get_renderers(self) -> list[BaseRenderer]:
        """Support ``?format=yaml`` for browsers, which cannot choose what they accept."""
        if self.request.GET.get("format") == "yaml":
            return [kind() for kind in YAML]
        return super().get_renderers()

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        """Return the schema."""
        return Response(schema())


@cache
def schema() -> dict[str, Any]:
    """Return the schema, built once per process."""
    made: dict[str, Any] = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
    return made


def add_common_responses(result: dict[str, Any], **others: Any) -> dict[str, Any]:
    """Add what holds for every call to drf-spectacular's schema (a postprocessing hook)."""
    components = result["components"]
    components["schemas"]["Error"] = ERROR_SCHEMA
    components["responses"] = RESPONSES
    for path, methods in result["paths"].items():
        for method, operation in methods.items():
            _add_to_operation(operation, path, method)
    return result


def _add_to_operation(operation: dict[str, Any], path: str, method: str) -> None:
    parameters = operation.setdefault("parameters", [])
    answers = operation["responses"]
    if method == "post":
        parameters.append(IDEMPOTENCY_KEY_PARAMETER)
        _add_header(answers, REPLAYED_HEADER, "`true` if this repeats an earlier response.")
    if any(parameter["name"] == "cursor" for parameter in parameters):
        _add_header(answers, "Link", 'The next page, as `<address>; rel="next"` (RFC 8288).')
    undocumented = [
        status for status in answers if status >= "4" and "content" not in answers[status]
    ]
    for status in {*undocumented, *error_statuses(operation, path, method)}:
        answers[status] = {"$ref": f"#/components/responses/{RESPONSE_NAMES[status]}"}
    operation["responses"] = dict(sorted(answers.items()))


def _add_header(answers: dict[str, Any], name: str, text: str) -> None:
    for status, answer in answers.items():
        if status.startswith("2"):
            header = {"description": text, "schema": {"type": "string"}}
            answer.setdefault("headers", {})[name] = header


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """Serve the reference page, public like the schema."""
    made = schema()
    context = {
        "version": made["info"]["version"],
        "subjects": reference.calls(made),
        "schemas": reference.schemas(made),
        "address": made["servers"][0]["url"],
    }
    return render(request, "portal/api.html", context)
