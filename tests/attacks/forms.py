"""Forms as a browser submits them: the fields on the page, some of them changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import httpx

from tests.attacks.attempt import Attempt, Verdict
from tests.attacks.cast import Browser, World

Fields = dict[str, Any]


class _Reader(HTMLParser):
    """Collects what the forms of a page would send."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: Fields = {}
        self._select = self._textarea = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        name = found.get("name") or ""
        if tag == "input" and name and self._is_sent(found):
            self.fields[name] = found.get("value") or "on"
            if found.get("type") not in {"checkbox", "radio"}:
                self.fields[name] = found.get("value") or ""
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and "selected" in found:
            self.fields.setdefault(self._select, []).append(found.get("value") or "")
        elif tag == "textarea":
            self._textarea = name

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self.fields[self._textarea] = data.removeprefix("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._textarea = ""

    @staticmethod
    def _is_sent(found: Mapping[str, str | None]) -> bool:
        kind = found.get("type")
        if kind in {"submit", "button", "image", "reset", "search"}:
            return False
        return kind not in {"checkbox", "radio"} or "checked" in found


def fields(page: httpx.Response) -> Fields:
    """Return what the page's forms would send."""
    reader = _Reader()
    reader.feed(page.text)
    return reader.fields


@dataclass(frozen=True)
class Form(Attempt):
    """A form sent by staff: ``data`` overrides the fields on its page at ``path``.

    The portal held if the answer to ``keeps``, a query of its database, is the same before and
    after, and it answered without a server error.
    """

    by: str
    path: str
    data: Mapping[str, Any]
    keeps: str
    plain: bool = field(default=False, kw_only=True)

    def tried(self, world: World) -> Verdict:
        before = world.row(self.keeps)
        with world.browser(self.by) as browser:
            answer = self.sent(world, browser)
        after = world.row(self.keeps)
        told = f"{answer.status_code}; {before} → {after}"
        if answer.status_code >= 500:
            return Verdict(self.severity, told)
        return self.judge(told if before != after else "", told)

    def sent(self, world: World, browser: Browser) -> httpx.Response:
        path = world.filled(self.path)
        page = None if self.plain else browser.get(path)
        there = fields(page) if page is not None and page.status_code == 200 else {}
        data = {**there, **{world.filled(name): filled(world, value)
                            for name, value in self.data.items()}}  # fmt: skip
        return browser.send_form(path, {name: value for name, value in data.items() if value != []})


def filled(world: World, value: Any) -> Any:
    """Return a field's value, or values, with this portal's names and numbers filled in."""
    if isinstance(value, list | tuple):
        return [world.filled(each) for each in value]
    return world.filled(value)


def action(name: str, *chosen: str, **more: str) -> dict[str, Any]:
    """Return the form that confirms a list action for these rows."""
    return {"action": name, "_selected_action": list(chosen), "confirmed": "yes", **more}


def of_person(column: str, name: str) -> str:
    """Return the query for a column of a person's row."""
    return f"select {column} from portal_user where username = '{name}'"
