"""Every address of the admin, and the data that a browser would send from one of its forms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.urls import URLPattern, URLResolver, reverse

import portal.urls  # noqa: F401  which has the admin find all that is in it


def addresses(things: dict[type[Model], Model]) -> dict[str, str]:
    """Return each page by its name; a model in the admin that is not in ``things`` is an error."""
    found = {}
    for pattern in _patterns(admin.site.get_urls()):
        arguments = pattern.pattern.converters or pattern.pattern.regex.groupindex
        kwargs = {name: _argument(name, str(pattern.name), things) for name in arguments}
        if pattern.name:
            found[_key(pattern.name, kwargs)] = reverse(f"admin:{pattern.name}", kwargs=kwargs)
    return found


def _key(name: str, kwargs: dict[str, Any]) -> str:
    return f"{name} of {kwargs['app_label']}" if "app_label" in kwargs else name


def _patterns(urls: list[Any]) -> Iterator[URLPattern]:
    for each in urls:
        if isinstance(each, URLResolver):
            yield from _patterns(each.url_patterns)
        else:
            yield each


def _argument(argument: str, name: str, things: dict[type[Model], Model]) -> Any:
    if argument == "app_label":
        return "quotas"
    if argument in {"object_id", "id"}:
        about = (model for model in admin.site._registry if _is_of(name, model))
        model = next(about, None)
        return things[model].pk if model else 1
    return 1


def _is_of(name: str, model: type[Model]) -> bool:
    own = f"{model._meta.app_label}_{model._meta.model_name}_"
    return name.startswith(own) or (name == "auth_user_password_change" and own == "portal_user_")


def filled_in(page: Any) -> dict[str, Any]:
    """Return the data that the form on an admin page sends if nothing is changed."""
    formsets = [inline.formset for inline in page.context.get("inline_admin_formsets", [])]
    forms = [page.context["adminform"].form]
    for formset in formsets:
        forms += [formset.management_form, *formset.forms]
    return {name: value for form in forms for name, value in _sent(form)}


def _sent(form: Any) -> Iterator[tuple[str, Any]]:
    for bound in form:
        widget = getattr(bound.field.widget, "widget", bound.field.widget)
        value = bound.value()
        if callable(value):
            value = value()
        context = widget.get_context(bound.html_name, value, {})["widget"]
        for part in context.get("subwidgets") or [context]:
            if part.get("type") == "checkbox":
                if part["attrs"].get("checked"):
                    yield part["name"], "on"
            elif part["value"] is not None:
                yield part["name"], part["value"]
