"""Read settings from environment variables.

Every setting has a name, a type and a default. A wrong value becomes a system check with a stable
id instead of a traceback. Only `settings` reads the environment.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off", ""})


@dataclass(frozen=True)
class Problem:
    """A variable whose value cannot be used; its default is used instead."""

    id: str
    variable: str
    message: str
    hint: str


class Environment:
    """The process's environment variables, read with defaults.

    Nothing is raised: a wrong value is noted in `problems`, and the default is used.
    """

    def __init__(self, variables: Mapping[str, str] = os.environ) -> None:
        self.variables = variables
        self.problems: list[Problem] = []

    def text(self, name: str, default: str = "") -> str:
        """Return the value of ``name``, or the contents of the file that ``name_FILE`` names."""
        path = self.variables.get(f"{name}_FILE", "")
        if not path:
            return self.variables.get(name, default)
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            self.add_problem(
                "portal.E002", f"{name}_FILE", f"cannot be read: {error}", "Correct the path."
            )
            return default

    def number(self, name: str, default: int, *, low: int = 0, high: int = 2**31) -> int:
        """Return the whole number in ``name``, from ``low`` to ``high``."""
        return self._parse(name, default, int, lambda n: low <= n <= high, f"{low} to {high}")

    def decimal(self, name: str, default: float, *, low: float = 0.0) -> float:
        """Return the number in ``name``, which is above ``low`` and below 10⁹."""
        return self._parse(name, default, float, lambda n: low < n < 1e9, f"above {low}")

    def flag(self, name: str, *, default: bool) -> bool:
        """Return whether ``name`` is on: 1, true, yes or on, not 0, false, no or off."""
        value = self.text(name, "yes" if default else "no").strip().lower()
        if value not in TRUE | FALSE:
            self.add_problem("portal.E004", name, f"is “{value}”", "Use 1 or 0.")
            return default
        return value in TRUE

    def choice(self, name: str, default: str, allowed: frozenset[str]) -> str:
        """Return the value of ``name``, which is one of ``allowed``."""
        value = self.text(name, default)
        if value not in allowed:
            known = ", ".join(sorted(allowed))
            self.add_problem("portal.E005", name, f"is “{value}”", f"Use one of: {known}.")
            return default
        return value

    def words(self, name: str, default: str = "") -> list[str]:
        """Return the words in ``name``, which are separated by commas or blanks."""
        return self.text(name, default).replace(",", " ").split()

    def add_problem(self, id_: str, variable: str, message: str, hint: str) -> None:
        """Record that ``variable`` cannot be used as it is."""
        self.problems.append(Problem(id_, variable, message, hint))

    def _parse(
        self,
        name: str,
        default: T,
        kind: Callable[[str], T],
        fits: Callable[[T], bool],
        range_: str,
    ) -> T:
        text = self.text(name, str(default))
        try:
            value: T | None = kind(text)
        except ValueError:
            value = None
        if value is None or not fits(value):
            self.add_problem("portal.E003", name, f"is “{text}”", f"Use a number, {range_}.")
            return default
        return value
