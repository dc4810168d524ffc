"""Nodes are made ready for popular images within a bound, and for the last week's use."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from sessions.backends.kubernetes.cluster import Cluster
from sessions.errors import BackendRefuses
from sessions.management.commands.prepare_nodes import Command, hold, pull
from sessions.models import Build
from sessions.statistics import demand
from tests.chart.rendering import objects, values_of
from tests.past_sessions import ran

pytestmark = [pytest.mark.django_db, pytest.mark.databases]

GB = 10**9


def built(image: str, **more: Any) -> Build:
    about = {"url": f"https://{image}", "commit": "c" * 40, "state": "built"}
    return Build.objects.create(image=image, digest=f"sha256:{image}", **about, **more)


@pytest.fixture
def used(ada, bob) -> None:
    """Four environments: of three, two and one notebooks; and one of a private repository."""
    week = timezone.now() - timedelta(days=6)
    for image, times, owner in (("one", 1, None), ("three", 3, None), ("two", 2, None),
                                ("private", 9, bob)):  # fmt: skip
        build = built(image, owner=owner)
        for _each in range(times):
            ran(ada, week, week + timedelta(hours=1), build=build)
    old = built("old")
    for _each in range(9):
        ran(ada, week - timedelta(days=2), week, build=old)


def pulled(api: Any) -> list[str]:
    spec = api.things["daemonsets"]["popular"]["spec"]["template"]["spec"]
    return [each["image"] for each in spec["initContainers"]]


def test_the_most_popular_public_images_are_pulled_within_the_bound(used, api, settings):
    settings.PORTAL_REGISTRY = "registry.example.org/environments"
    api.put("daemonsets", {"metadata": {"name": "popular"}})
    cluster = Cluster("test", api.kubeconfig)
    sizes = {"three": 5 * GB, "two": 20 * GB, "one": 3 * GB}
    said = pull(cluster, "popular", 3, 10 * GB, sizes.get)
    place = "registry.example.org/environments"
    assert pulled(api) == [f"{place}/three@sha256:three", f"{place}/one@sha256:one"]
    assert said.splitlines() == pulled(api)
    pull(cluster, "popular", 1, 10 * GB, sizes.get)
    assert len(pulled(api)) == 1


def test_room_is_held_for_the_largest_burst_of_the_hour(ada, api):
    api.put("deployments", {"metadata": {"name": "held-room"}})
    cluster = Cluster("test", api.kubeconfig)
    coming = timezone.localtime().replace(hour=12, minute=0, second=0)
    for days, minutes in ((1, (0, 30)), (3, (5, 9, 14, 40)), (5, (0,)), (9, (1, 1, 1, 1, 1))):
        for each in minutes:
            moment = coming - timedelta(days=days) + timedelta(minutes=each)
            ran(ada, moment, moment + timedelta(hours=1))
    other = coming - timedelta(days=2, hours=5)
    for _each in range(7):
        ran(ada, other, other)
    for bounds, number in (((0, 10), 3), ((5, 10), 5), ((0, 2), 2)):
        assert hold(cluster, "held-room", *bounds, 12) == f"Room for {number} notebooks."
        assert api.things["deployments"]["held-room"]["spec"] == {"replicas": number}


def test_a_burst_is_what_starts_within_ten_minutes():
    now = timezone.now()
    moments = [now + timedelta(minutes=each) for each in (0, 10, 11, 20, 21)]
    assert demand.max_within(moments) == 3
    assert demand.max_within([]) == 0


def test_what_is_missing_or_forbidden_is_said(api):
    cluster = Cluster("test", api.kubeconfig)
    with pytest.raises(CommandError, match="There is no “held-room”"):
        hold(cluster, "held-room", 0, 1, 12)
    api.refused["PATCH deployments/held-room"] = (403, b'{"message": "no right"}')
    with pytest.raises(BackendRefuses):
        hold(cluster, "held-room", 0, 1, 12)


def test_one_machine_has_no_nodes(settings):
    settings.PORTAL_BACKEND = "local"
    with pytest.raises(CommandError, match="not kubernetes"):
        call_command("prepare_nodes", "--hold", "held-room")


def test_the_charts_jobs_call_the_command_for_what_the_chart_has():
    found = objects(values_of("everything"))
    parser = Command().create_parser("manage.py", "prepare_nodes")
    for job in (each for each in found if each.kind == "CronJob" and each.name != "back-up"):
        assert job.pod
        [container] = job.pod["spec"]["containers"]
        given = parser.parse_args(container["command"][3:])
        kind, name = ("DaemonSet", given.pull) if given.pull else ("Deployment", given.hold)
        assert [each for each in found if (each.kind, each.name) == (kind, name)]
        [role] = [each.thing for each in found if each.kind == "Role"
                  and each.name == "bindery-nodes"]  # fmt: skip
        assert name in [one for rule in role["rules"] for one in rule["resourceNames"]]
