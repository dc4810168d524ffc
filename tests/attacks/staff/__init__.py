"""Attempts by staff who want more than their role gives, each in their own browser, in the admin's
forms.
"""

from __future__ import annotations

from tests.attacks.attempt import Attempt
from tests.attacks.staff import faults, lookups, private, records, rights

TABLES = (rights, lookups, private, records, faults)
ATTEMPTS: tuple[Attempt, ...] = tuple(each for table in TABLES for each in table.ATTEMPTS)
