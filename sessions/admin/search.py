"""A search in the admin, by each column by itself.

Django asks of one row after another whether any of its columns has the word, which no index
helps, least of all across two tables. Of several queries, put together, each has its index.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import smart_split, unescape_string_literal

_LOOKUPS = {"^": "istartswith", "=": "iexact"}


class ByColumn:
    """For an admin with ``search_fields``, which may begin with ``^`` or ``=``; it has the rows
    in which each of the words is in some column. What stands in quotes is one word."""

    search_fields: Sequence[str]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        words = map(_unquoted, smart_split(search_term)) if self.search_fields else ()
        return reduce(self.having, words, queryset), False

    def having(self, rows: QuerySet[Any], word: str) -> QuerySet[Any]:
        first, *others = (self._by(rows, column, word) for column in self.search_fields)
        return rows.filter(pk__in=first.union(*others))

    def _by(self, rows: QuerySet[Any], column: str, word: str) -> QuerySet[Any]:
        lookup = _LOOKUPS.get(column[0], "icontains")
        found = rows.model._default_manager.filter(**{f"{column.lstrip('^=')}__{lookup}": word})
        return found.order_by().values("pk")


def _unquoted(word: str) -> str:
    if len(word) > 1 and word[0] == word[-1] and word[0] in "\"'":
        return unescape_string_literal(word)
    return word
