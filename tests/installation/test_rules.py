"""Whether database and place belong together: every case of the rule."""

from __future__ import annotations

import itertools

import pytest

from sessions.backends import Inventory
from sessions.installation.known import (
    HighestNumbers,
    OwnershipStatus,
    has_too_many_unknown,
    ownership_status,
)

MINE, THEIRS = "a" * 32, "b" * 32
NEWEST = HighestNumbers(session=10, build=20)
NOTHING = Inventory()
PROJECTS = Inventory(projects=frozenset({"flowers-1", "flowers-2"}))
VOLUMES = Inventory(volumes=frozenset({"ada", "bob"}))
HALF = Inventory(projects=frozenset({"flowers-1"}), volumes=frozenset({"ada"}))
RUNNING = Inventory(sessions=frozenset({10}), builds=frozenset({20}))
LATER = [Inventory(sessions=frozenset({3, 11})), Inventory(builds=frozenset({21}))]


def decided(
    database: str, place: str, found: Inventory, known: Inventory = NOTHING
) -> OwnershipStatus:
    return ownership_status(database, place, found, known, NEWEST)


@pytest.mark.parametrize("found", [NOTHING, PROJECTS, VOLUMES, RUNNING, *LATER])
@pytest.mark.parametrize("known", [NOTHING, PROJECTS, VOLUMES])
def test_two_different_ids_are_always_foreign(found, known):
    assert decided(MINE, THEIRS, found, known) == OwnershipStatus.FOREIGN


@pytest.mark.parametrize("found", [NOTHING, PROJECTS, VOLUMES, RUNNING])
def test_equal_ids_match_whatever_is_unknown(found):
    """Unknown objects are then dealt with one by one."""
    assert decided(MINE, MINE, found) == OwnershipStatus.MATCHES


@pytest.mark.parametrize("found", LATER)
def test_numbers_above_the_sequence_mean_an_older_database(found):
    assert decided(MINE, MINE, found, found) == OwnershipStatus.OLDER


ONE_MISSING = [("", ""), (MINE, ""), ("", MINE)]


@pytest.mark.parametrize(("database", "place"), ONE_MISSING)
def test_a_missing_id_is_assigned_if_nothing_is_unknown(database, place):
    for found in (NOTHING, PROJECTS, VOLUMES):
        assert decided(database, place, found, found) == OwnershipStatus.UNASSIGNED
    assert (
        decided(database, place, RUNNING) == OwnershipStatus.UNASSIGNED
    )  # numbers that were given


@pytest.mark.parametrize(("database", "place"), ONE_MISSING)
def test_a_missing_id_is_not_assigned_if_anything_is_unknown(database, place):
    for found, known in itertools.product((PROJECTS, VOLUMES), (NOTHING, HALF)):
        assert decided(database, place, found, known) == OwnershipStatus.UNDECIDED
    for found in LATER:
        assert decided(database, place, found) == OwnershipStatus.UNDECIDED


@pytest.mark.parametrize(
    ("unknown", "found", "much"),
    [
        (0, 0, False),
        (5, 5, False),
        (6, 6, True),
        (6, 29, True),
        (6, 30, False),
        (7, 34, True),
        (200, 1000, False),
        (201, 1000, True),
    ],
)
def test_too_many_unknown_means_over_five_and_over_a_fifth(unknown, found, much):
    assert has_too_many_unknown(unknown, found) is much
