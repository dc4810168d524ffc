"""Let Django classes take their model as a type argument: ``class Builds(ModelAdmin[Build])``.

Django's stubs declare them as generic, Django does not. `django-stubs-ext` does the same for all
of Django's classes; loading it would cost every process more than these three do.
"""

from __future__ import annotations

from typing import Any

from django.contrib.admin.options import BaseModelAdmin
from django.core.paginator import Paginator
from django.forms.models import BaseModelForm


def _itself(cls: type, _names: object) -> type:
    return cls


def make_subscriptable() -> None:
    """Make the classes subscriptable; call it before modules that use them are loaded."""
    generic: list[Any] = [BaseModelAdmin, Paginator, BaseModelForm]
    for each in generic:
        each.__class_getitem__ = classmethod(_itself)
