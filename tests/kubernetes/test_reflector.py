"""A reflector's copy of the cluster's objects of a kind, whatever happens to the watch."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from sessions.backends.kubernetes.changes import Reflector
from tests.backends.waiting import until

pytestmark = pytest.mark.servers

ERROR = {"type": "ERROR", "object": {"code": 410, "message": "too old"}}


class Told(list[str]):
    """The reported names, in order."""


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def start(api, cluster, told):
    """Return a function that starts a reflector, which ends with the test."""
    started = []

    def start() -> Reflector:
        started.append(Reflector(cluster, "pods", {}, told.append, pause=0.05))
        started[-1].start()
        assert started[-1].listed.wait(10)
        return started[-1]

    yield start
    for reflector in started:
        reflector.stop()
    api.let_go()
    for reflector in started:
        reflector._thread.join(10)


@pytest.fixture
def reflector(api, start) -> Reflector:
    for name in ("a", "b"):
        api.put("pods", {"metadata": {"name": name}})
    reflector = start()
    until(lambda: api.asked == ["GET pods", "GET pods"])  # it watches
    return reflector


def lists(api: Any) -> int:
    return sum(1 for asked in api.asked if asked == "GET pods")


def test_a_reflector_starts_with_all_existing_objects(reflector, told):
    assert sorted(told) == ["a", "b"]
    assert reflector.objects.keys() == {"a", "b"}


def test_each_change_is_reported_once(api, reflector, told):
    told.clear()
    api.put("pods", {"metadata": {"name": "c"}})
    api.put("pods", {"metadata": {"name": "a", "labels": {"x": "y"}}})
    api.drop("pods", "b")
    until(lambda: len(told) == 3)
    assert told == ["c", "a", "b"]
    assert reflector.objects.keys() == {"a", "c"}
    assert reflector.objects["a"]["metadata"]["labels"] == {"x": "y"}


def test_a_watch_that_ends_cleanly_resumes_at_its_last_version(api, reflector, told):
    told.clear()
    api.put("pods", {"metadata": {"name": "c"}})
    until(lambda: told == ["c"])
    api.hang_up()
    until(lambda: lists(api) == 3)
    api.put("pods", {"metadata": {"name": "d"}})
    until(lambda: told == ["c", "d"])
    assert lists(api) == 3


def test_a_bookmark_moves_the_version_without_a_report(api, reflector, told):
    told.clear()
    version = api.put("secrets", {"metadata": {"name": "x"}})["metadata"]["resourceVersion"]
    api.tell("pods", {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": version}}})
    api.put("pods", {"metadata": {"name": "c"}})
    until(lambda: told == ["c"])


@pytest.mark.parametrize("how", ["410", "error", "broken", "half a line", "refused"])
def test_changes_missed_during_a_break_are_reported_once(api, reflector, told, how):
    told.clear()
    if how == "refused":  # so is the list that comes after the break
        api.fail(500)
    if how == "error":
        api.tell("pods", ERROR)
    if how == "half a line":
        api.tell("pods", b'{"type": "DELETED", "obj\\')
    before = len(api.asked)
    api.drop("pods", "a")
    api.put("pods", {"metadata": {"name": "b", "labels": {"x": "y"}}})
    api.put("pods", {"metadata": {"name": "c"}})
    if how == "410":
        api.compact()
    api.hang_up(well=how == "410")
    until(lambda: len(api.asked) >= before + 2 and reflector.objects.keys() == {"b", "c"})
    assert reflector.objects["b"]["metadata"]["labels"] == {"x": "y"}
    api.put("pods", {"metadata": {"name": "last"}})
    until(lambda: "last" in told)
    assert Counter(told) == Counter(["a", "b", "c", "last"])


def test_a_reflector_retries_until_the_cluster_is_reachable(api, start, told):
    api.fail(503)
    api.put("pods", {"metadata": {"name": "a"}})
    start()
    assert told == ["a"]


def test_a_reflector_survives_malformed_events(api, reflector, told):
    told.clear()
    api.tell("pods", b"nonsense")
    until(lambda: lists(api) >= 4)
    api.put("pods", {"metadata": {"name": "c"}})
    until(lambda: "c" in told)
