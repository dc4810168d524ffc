"""A search in the admin, by each column by itself.

Django asks of one row after another whether any of its columns has the word, which no index
helps, least of all across two tables. Of several queries, put together, each has its index.
"""

from __future__ import annotations

from functools import reduce
from typing import TypeVar

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.text import smart_split, unescape_string_literal

R = TypeVar("R", bound=Model)
_LOOKUPS = {"^": "istartswith", "=": "iexact"}
FEW = 500


class ByColumn(admin.ModelAdmin[R]):
    """For an admin with ``search_fields``, which may begin with ``^`` or ``=``; it has the rows
    in which each of the words is in some column. What stands in quotes is one word."""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[R], search_term: str
    ) -> tuple[QuerySet[R], bool]:
        columns = self.get_search_fields(request)
        words = map(_unquoted, smart_split(search_term)) if columns else ()

        def having(rows: QuerySet[R], word: str) -> QuerySet[R]:
            return among(rows, *(_by(rows, column, word) for column in columns))

        return reduce(having, words, queryset), False


def among(rows: QuerySet[R], *found: QuerySet[R]) -> QuerySet[R]:
    """Those of ``rows`` that one of the others has, which are of the same model.

    Few of them are asked for by number: PostgreSQL takes a union for thousands, and then goes
    through the whole table in the order of the list.
    """
    first, *others = (each.order_by().values_list("pk", flat=True) for each in found)
    numbers = first.union(*others)
    few = list(numbers[: FEW + 1])
    return rows.filter(pk__in=few if len(few) <= FEW else numbers)


def _by(rows: QuerySet[R], column: str, word: str) -> QuerySet[R]:
    lookup = _LOOKUPS.get(column[0], "icontains")
    everything = rows.model._default_manager.all()
    return everything.filter(**{f"{column.lstrip('^=')}__{lookup}": word})


def _unquoted(word: str) -> str:
    if len(word) > 1 and word[0] == word[-1] and word[0] in "\"'":
        return unescape_string_literal(word)
    return word
