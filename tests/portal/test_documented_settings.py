"""The documentation gives each number with the default that the portal has."""

from __future__ import annotations

import re

import pytest

from tests.stack import PROJECT

NUMBER = re.compile(r'ENVIRONMENT\.(?:number|decimal)\(\s*"(PORTAL_\w+)",\s*([\d_.]+)')
ROW = re.compile(r"^\| `(PORTAL_\w+)` \| `(\d+(?:\.\d+)?)` \|", re.MULTILINE)
DEFAULTS = dict(NUMBER.findall((PROJECT / "portal/settings.py").read_text()))
DOCUMENTED = [
    pytest.param(name, value, id=f"{page.stem}-{name}")
    for page in sorted((PROJECT / "docs").glob("*.md"))
    for name, value in ROW.findall(page.read_text())
    if name in DEFAULTS
]


@pytest.mark.parametrize(("name", "value"), DOCUMENTED)
def test_a_documented_default_is_the_real_one(name: str, value: str) -> None:
    assert float(value) == float(DEFAULTS[name])


def test_every_time_and_size_is_documented() -> None:
    named = {each.values[0] for each in DOCUMENTED}
    assert {name for name in DEFAULTS if re.search("TIMEOUT|LIMIT|_MB$|SECONDS", name)} <= named
