"""How things are now, from a fixed number of queries: what runs, what waits, what there is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from django.db.models import Count, Q
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily, Metric

from portal.models import User
from sessions import statistics
from sessions.lifecycle import queue
from sessions.models import Build, Capacity, Heartbeat, Project, Session
from sessions.states import BUILD_ACTIVE, SESSION_LIVE, SessionState

GB = 10**9
SILENT = timedelta(minutes=15)
"""A notebook that has not said for so long what it does is no longer taken for idle or busy."""


def families() -> Iterator[Metric]:
    """All of them. Raises `django.db.DatabaseError`."""
    now = statistics.now()
    yield _by("notebooks", "Sessions that are on their way, running or being stopped.", "state",
              dict.fromkeys(SESSION_LIVE, 0) | now.states)  # fmt: skip
    yield _one("promised_cpus", "CPUs that notebooks are guaranteed.", now.cpu)
    yield _one("promised_memory_bytes", "Memory that they are guaranteed.", now.memory_gb * GB)
    yield _one("promised_gpus", "GPUs that they have or wait for.", now.gpu)
    if now.there_is:
        yield from _capacity(now.there_is)
    yield from _builds()
    yield from _notebooks()
    yield from _people()
    yield from _queue()
    ages = {beat.name: _age(beat.at) for beat in Heartbeat.objects.all()}
    yield _by("heartbeat_age_seconds", "Since the last sign of life of watch and its chores.",
              "name", ages)  # fmt: skip


def _capacity(there_is: Capacity) -> Iterator[Metric]:
    """Nothing of what the back end may not look at."""
    scaled = (
        ("capacity_cpus", "CPUs of all machines together.", there_is.cpu, 1),
        ("capacity_memory_bytes", "Memory of all machines together.", there_is.memory_gb, GB),
        ("capacity_gpus", "GPUs of all machines together.", there_is.gpu, 1),
        ("disk_bytes", "The disk of environments and people's files.", there_is.disk_gb, GB),
        ("disk_free_bytes", "What is free of it.", there_is.disk_free_gb, GB),
    )
    for name, text, value, scale in scaled:
        if value is not None:
            yield _one(name, text, value * scale)
    yield _one("capacity_age_seconds", "Since all this was seen last.", _age(there_is.at))


def _builds() -> Iterator[Metric]:
    rows = Build.objects.active().order_by().values_list("state").annotate(Count("pk"))
    states: dict[str, float] = {**dict.fromkeys(BUILD_ACTIVE, 0), **dict(rows)}
    yield _by("active_builds", "Builds that wait for a place or are under way.", "state", states)


def _notebooks() -> Iterator[Metric]:
    silent = Q(asked=None) | Q(asked__lt=timezone.now() - SILENT)
    silent &= Q(ready__lt=timezone.now() - SILENT)
    ready = Session.objects.filter(state=SessionState.READY).aggregate(
        busy=Count("pk", filter=Q(busy=True)),
        silent=Count("pk", filter=silent),
        people=Count("project__owner", distinct=True),
    )
    yield _one("busy_notebooks", "Notebooks in which a kernel computes.", ready["busy"])
    yield _one(
        "silent_notebooks",
        f"Notebooks that have not said for {SILENT.seconds // 60} minutes what they do.",
        ready["silent"],
    )
    yield _one("people_with_notebooks", "People with a running notebook.", ready["people"])


def _people() -> Iterator[Metric]:
    people = User.objects.filter(is_active=True).count()
    yield _one("people", "Accounts that are not disabled.", people)
    yield _one("projects", "Projects, running or not.", Project.objects.existing().count())
    aside = Project.objects.set_aside().count()
    yield _one("restorable_projects", "Deleted projects that can be restored.", aside)


def _queue() -> Iterator[Metric]:
    length, age = queue.waiting()
    yield _one("queue_length", "Tasks that no worker has taken yet.", length)
    yield _one("queue_age_seconds", "How long the oldest of them waits; 0 without one.", age)


def _one(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"bindery_{name}", text, value=value)


def _by(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"bindery_{name}", text, labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([str(key)], value)
    return family


def _age(at: datetime) -> float:
    return max((timezone.now() - at).total_seconds(), 0.0)
