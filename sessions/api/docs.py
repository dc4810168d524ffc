"""``/api/v1/docs/``: the schema as a page to read, where calls can be tried by whoever is signed
in, with what their browser may do."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from sessions.api import reference
from sessions.api.schema import schema


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """For everybody, as the schema is."""
    made = schema()
    context = {
        "version": made["info"]["version"],
        "subjects": reference.calls(made),
        "shapes": reference.shapes(made),
        "address": made["servers"][0]["url"],
    }
    return render(request, "portal/api.html", context)
