"""Measure pages that grow with the institute: the admin's lists, and a person's home page.

    DATABASE_URL=postgres://… python -m bench.lists

Run it on an empty PostgreSQL, which it fills (`population`). Prints a Markdown table: median and
95th percentile of the response time in this process, without the network, and the number of
queries. With ``--json``, every time for programs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from typing import NamedTuple

import django
from django.test import Client

ROUNDS = 40


class Page(NamedTuple):
    """The measurements of one page.

    ``seconds`` of each answer, the ``queries`` of the last one, and its ``status``.
    """

    name: str
    seconds: list[float]
    queries: int
    status: int


def addresses() -> Iterator[tuple[str, str]]:
    """Yield name and address of each page to measure.

    Every list of the admin, unfiltered and as staff filter it, and the metrics for Prometheus.
    """
    from django.contrib import admin  # noqa: PLC0415 -- only there once Django is set up
    from django.urls import reverse  # noqa: PLC0415

    yield "admin home", reverse("admin:index")
    yield "metrics", reverse("metrics")
    for model in admin.site._registry:  # noqa: SLF001 -- no public way to list them
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        yield f"admin: {model._meta.verbose_name_plural}", reverse(f"admin:{name}_changelist")
    people = reverse("admin:portal_user_changelist")
    sessions = reverse("admin:notebook_sessions_session_changelist")
    projects = reverse("admin:notebook_sessions_project_changelist")
    yield "admin: people, page 50", f"{people}?p=50"
    yield "admin: people named …77", f"{people}?q=person77"
    yield "admin: sessions that failed", f"{sessions}?state__exact=failed"
    yield "admin: projects named …ff", f"{projects}?q=000000ff"
    yield "admin: sessions of projects named …ff", f"{sessions}?q=000000ff"


def measure(client: Client, name: str, address: str, rounds: int) -> Page:
    """Measure a page; the first answer, which fills caches, does not count."""
    from django.db import connection  # noqa: PLC0415
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    times = []
    for _round in range(rounds + 1):
        begun = time.perf_counter()
        answer = client.get(address)
        times.append(time.perf_counter() - begun)
    with CaptureQueriesContext(connection) as queries:
        client.get(address)
    return Page(name, times[1:], len(queries), answer.status_code)


def main() -> None:
    """Measure all pages and print the results."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--scale", type=float, default=1.0, help="a part of the population")
    options.add_argument("--rounds", type=int, default=ROUNDS)
    options.add_argument("--json", action="store_true")
    asked = options.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    os.environ.setdefault("PORTAL_DATA", tempfile.mkdtemp(prefix="bindery-bench-"))
    django.setup()
    prepare(asked.scale)
    pages = all_pages(asked.rounds)
    if asked.json:
        print(json.dumps([page._asdict() for page in pages]))
    else:
        show(pages, asked.rounds)


def prepare(scale: float) -> None:
    """Make tables and people, unless they exist."""
    from django.core.management import call_command  # noqa: PLC0415

    from bench.population import fill  # noqa: PLC0415
    from portal.models import User  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    call_command("collectstatic", verbosity=0, interactive=False)
    if not User.objects.exists():
        fill(scale)


def all_pages(rounds: int) -> Iterator[Page]:
    """Measure the pages that staff see, and those of one person."""
    from portal.models import User  # noqa: PLC0415

    root = User.objects.filter(username="root").first() or User.objects.create_superuser("root")
    person = User.objects.get(username="person7")
    for user, pages in ((root, addresses()), (person, (("home", "/"), ("account", "/account/")))):
        client = Client(headers={"host": "localhost"})
        client.force_login(user)
        for name, address in pages:
            yield measure(client, name, address, rounds)


def show(pages: Iterator[Page], rounds: int) -> None:
    """Print the pages as a Markdown table."""
    from portal.models import User  # noqa: PLC0415

    print(f"{User.objects.count()} people; {rounds} answers each\n")
    print("| page | median ms | p95 ms | queries | status |\n|---|---:|---:|---:|---:|")
    for name, times, queries, status in pages:
        p95 = statistics.quantiles(times, n=20)[-1] * 1000
        middle = statistics.median(times) * 1000
        print(f"| {name} | {middle:.0f} | {p95:.0f} | {queries} | {status} |", flush=True)


if __name__ == "__main__":
    main()
