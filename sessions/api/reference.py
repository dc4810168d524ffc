"""Turn the schema into what its page shows: calls by subject, each with its fields. Pure functions.

`openapi` serves the page. Nested objects of the schema become short descriptions of their type.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

Schema = Mapping[str, Any]

SUBJECTS = ("projects", "me", "tokens", "ssh-key", "users")
"""Subjects in the order in which people need them; any others follow."""


@dataclass(frozen=True)
class Field:
    """A field or parameter of a call.

    ``kind`` is its type in words; ``schema_name`` names the object type, which the page shows
    further below.
    """

    name: str
    kind: str
    text: str
    required: bool = False
    schema_name: str = ""
    where: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class ResponseRow:
    """A possible answer to a call."""

    status: str
    text: str
    kind: str = ""
    schema_name: str = ""


@dataclass(frozen=True)
class Call:
    """One method of one address."""

    id: str
    method: str
    path: str
    summary: str
    text: str
    fields: list[Field] = field(default_factory=list)
    body: list[Field] = field(default_factory=list)
    responses: list[ResponseRow] = field(default_factory=list)
    sample: str = ""


def calls(schema: Schema) -> dict[str, list[Call]]:
    """Return all calls, by subject."""
    found: dict[str, list[Call]] = {subject: [] for subject in SUBJECTS}
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            call = _call(schema, path, method, operation)
            found.setdefault(operation["tags"][0], []).append(call)
    return {subject: some for subject, some in found.items() if some}


def schemas(schema: Schema) -> dict[str, list[Field]]:
    """Return the object types of bodies and answers, with their fields."""
    return {
        name: [replace(each, required=False) for each in _fields(shape)]
        for name, shape in schema["components"]["schemas"].items()
        if "properties" in shape
    }


def _call(schema: Schema, path: str, method: str, operation: Schema) -> Call:
    body = _body(schema, operation)
    return Call(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        text=operation.get("description", ""),
        fields=[_parameter(each) for each in operation["parameters"]],
        body=list(_fields(body)),
        responses=[_answer(schema, *each) for each in operation["responses"].items()],
        sample=json.dumps(dict(_sample(body)), indent=2, ensure_ascii=False) if body else "",
    )


def _body(schema: Schema, operation: Schema) -> Schema:
    if "requestBody" not in operation:
        return {}
    return _resolved(schema, operation["requestBody"]["content"]["application/json"]["schema"])


def _parameter(given: Schema) -> Field:
    kind, shape = _kind(given["schema"])
    text = given.get("description", "").strip()
    required, where = given.get("required", False), given["in"]
    return Field(given["name"], kind, text, required, shape, where, _choices(given["schema"]))


def _fields(shape: Schema) -> Iterator[Field]:
    required = set(shape.get("required", ()))
    for name, schema in shape.get("properties", {}).items():
        kind, of = _kind(schema)
        text = schema.get("description", "").strip()
        yield Field(name, kind, text, name in required, of, choices=_choices(schema))


def _answer(schema: Schema, status: str, answer: Schema) -> ResponseRow:
    answer = _resolved(schema, answer)
    content = answer.get("content", {}).get("application/json", {}).get("schema", {})
    kind, shape = _kind(_resolved_list(schema, content)) if content else ("", "")
    return ResponseRow(status, answer.get("description", ""), kind, shape)


def _kind(schema: Schema) -> tuple[str, str]:
    """Return the type in words, and the object's name if it is an object."""
    inner = schema.get("allOf") or schema.get("oneOf") or [schema]
    name = inner[0].get("$ref", "").rpartition("/")[2]
    null = " or null" if schema.get("nullable") else ""
    if name:
        return f"{name}{null}", name
    if schema.get("type") == "array":
        kind, shape = _kind(schema["items"])
        return f"list of {kind}{null}", shape
    plain = str(schema.get("type", "anything"))
    kind = {"date-time": "time", "date": "date"}.get(schema.get("format", ""), plain)
    return f"{kind}{null}", ""


def _choices(schema: Schema) -> tuple[str, ...]:
    return tuple(str(each) for each in schema.get("items", schema).get("enum", ()))


def _sample(body: Schema) -> Iterable[tuple[str, Any]]:
    """Yield the fields of a minimal body, with placeholders."""
    required = body.get("required") or list(body.get("properties", {}))[:1]
    for name in required:
        text = body["properties"][name].get("type") == "string"
        yield name, "…" if text else None


def _resolved(schema: Schema, part: Schema) -> Schema:
    """Return the part of the schema that a reference points to."""
    while "$ref" in part:
        _start, section, name = part["$ref"].rsplit("/", 2)
        part = schema["components"][section][name]
    return part


def _resolved_list(schema: Schema, part: Schema) -> Schema:
    """Resolve a named list, so that it is shown as a list; return anything else unchanged."""
    whole = _resolved(schema, part)
    return whole if whole.get("type") == "array" else part
