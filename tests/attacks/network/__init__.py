"""Attempts from outside: by strangers, by people with an account, and by notebook servers that
answer as no server should.
"""

from __future__ import annotations

from tests.attacks.attempt import Attempt
from tests.attacks.network import (
    answers,
    bodies,
    forgery,
    front,
    heads,
    hosts,
    messages,
    others,
    pages,
    rules,
    settings,
    smuggling,
    throttles,
    tickets,
    tokens,
)

TABLES = (heads, bodies, smuggling, hosts, others, tokens, tickets, forgery, pages, answers,
          messages, front, rules, settings, throttles)  # fmt: skip
ATTEMPTS: tuple[Attempt, ...] = tuple(each for table in TABLES for each in table.ATTEMPTS)
