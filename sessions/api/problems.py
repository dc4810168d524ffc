"""The errors of the API as its schema tells them; `errors` makes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

ERROR = {
    "type": "object",
    "required": ["code", "detail"],
    "properties": {
        "code": {"type": "string", "description": "Stable, for programs."},
        "detail": {
            "type": "string",
            "description": "For people: what happened, what it means and what to do next.",
        },
        "fields": {
            "type": "object",
            "additionalProperties": True,
            "description": "With `invalid`: what is wrong with each of them.",
        },
        "reference": {"type": "string", "description": "From 500 on: what to tell the staff."},
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


_SECONDS = {"description": "Seconds to wait.", "schema": {"type": "integer"}}

RESPONSES = {
    "BadRequest": _error("It is not understood.", "invalid", "repository: This field is required."),
    "NotSignedIn": _error(
        "No token, or none that is good.",
        "token.invalid",
        "This token is unknown or has expired. Make a new one.",
        {"WWW-Authenticate": {"schema": {"type": "string"}}},
    ),
    "Forbidden": _error(
        "The token is not for this, or you may look only.",
        "token.scope",
        "This token has not the scope “launch”.",
    ),
    "NotFound": _error("It is not there, or not yours.", "not_found", "Not found."),
    "NotAcceptable": _error(
        "It cannot be had in what `Accept` asks for.",
        "not_acceptable",
        "Could not satisfy the request Accept header.",
    ),
    "Conflict": _error(
        "The state or a limit is against it, or a request with this key is being worked on.",
        "project.state",
        "It is not running, so there is nothing to stop.",
    ),
    "WrongType": _error(
        "The body is of a kind that is not read here.",
        "unsupported_media_type",
        "Unsupported media type “text/plain” in request.",
    ),
    "KeyReused": _error(
        "The `Idempotency-Key` came with another request before.",
        "idempotency.key-reused",
        "This Idempotency-Key came with another request before.",
    ),
    "TooOften": _error(
        "You ask too often.",
        "throttled",
        "You ask more often than the portal answers. Try again in 20 seconds.",
        {"Retry-After": _SECONDS},
    ),
    "Ours": _error(
        "An error of ours.", "error", "Something went wrong on our side. The reference is …"
    ),
    "NotNow": _error(
        "It cannot be done at present; trying again later may help.",
        "local.no-sandbox",
        "Notebooks cannot be started at present.",
    ),
}


NAMES = {
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


def of(operation: dict[str, Any], path: str, method: str) -> Iterator[str]:
    """The statuses of those that a call can be answered with."""
    has_body = "requestBody" in operation
    changes_project = "/projects/" in path and method in {"post", "delete"}
    yield from ("401", "403", "406", "429", "500")
    if method == "post" or has_body or any(each["in"] == "query" for each in _given(operation)):
        yield "400"
    if "{" in path or any(each["name"] == "owner" for each in _given(operation)):
        yield "404"
    if method == "post" or changes_project:
        yield "409"
    if method in {"post", "patch", "put"}:
        yield "415"
    if method == "post":
        yield "422"
    if changes_project:
        yield "503"


def _given(operation: dict[str, Any]) -> list[dict[str, Any]]:
    given: list[dict[str, Any]] = operation["parameters"]
    return given
