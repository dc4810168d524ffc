"""How long the lists take that grow with the institute: the admin's, and a person's home page.

    DATABASE_URL=postgres://… python -m bench.lists

on an empty PostgreSQL, which it fills (`population`). Prints a Markdown table: median and 95th
percentile of the answer's time in this process, without the network, and the number of queries.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator

import django
from django.test import Client

ROUNDS = 40


def addresses() -> Iterator[tuple[str, str]]:
    """Every list of the admin, unfiltered and as staff filter it; the person's own pages; and
    what Prometheus asks for."""
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


def measure(client: Client, address: str) -> tuple[list[float], int, int]:
    """Seconds of each answer, the queries of the last one, and its status."""
    from django.db import connection  # noqa: PLC0415
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    times = []
    for _round in range(ROUNDS + 1):
        begun = time.perf_counter()
        answer = client.get(address)
        times.append(time.perf_counter() - begun)
    with CaptureQueriesContext(connection) as queries:
        client.get(address)
    return times[1:], len(queries), answer.status_code


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--scale", type=float, default=1.0, help="a part of the population")
    scale = options.parse_args().scale
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    os.environ.setdefault("PORTAL_DATA", tempfile.mkdtemp(prefix="bindery-bench-"))
    django.setup()
    from django.core.management import call_command  # noqa: PLC0415

    from bench.population import fill  # noqa: PLC0415
    from portal.models import User  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    call_command("collectstatic", verbosity=0, interactive=False)
    if not User.objects.exists():
        fill(scale)
    root = User.objects.filter(username="root").first() or User.objects.create_superuser("root")
    print(f"{User.objects.count()} people; {ROUNDS} answers each\n")
    print("| page | median ms | p95 ms | queries | status |\n|---|---:|---:|---:|---:|")
    person = User.objects.get(username="person77")
    for user, pages in ((root, addresses()), (person, (("home", "/"), ("account", "/account/")))):
        client = Client(headers={"host": "localhost"})
        client.force_login(user)
        for name, address in pages:
            times, queries, status = measure(client, address)
            p95 = statistics.quantiles(times, n=20)[-1] * 1000
            middle = statistics.median(times) * 1000
            print(f"| {name} | {middle:.0f} | {p95:.0f} | {queries} | {status} |", flush=True)


if __name__ == "__main__":
    main()
