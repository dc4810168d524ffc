"""Attempts in a real browser: by pages of other sites, by pages of notebooks, and by texts that
strangers have put into pages of the portal.
"""

from __future__ import annotations

from tests.attacks.browser import cookies, origins, previews, texts
from tests.attacks.browser.visit import InBrowser

TABLES = (origins, cookies, texts, previews)
ATTEMPTS: tuple[InBrowser, ...] = tuple(each for table in TABLES for each in table.ATTEMPTS)
