"""``manage.py doctor`` on database and data: what it reports; it changes neither."""

from __future__ import annotations

import pytest

from portal.health.doctor.storage import check_installation
from portal.models import Installation

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_matching_database_and_place_are_no_finding(settled):
    assert list(check_installation()) == []


def test_a_first_start_is_no_finding_and_assigns_no_id(backend):
    assert list(check_installation()) == []
    assert (backend.place, Installation.objects.current_id()) == ("", "")


def test_a_mismatch_is_a_finding_with_a_hint(settled):
    settled.place = "b" * 32
    (finding,) = check_installation()
    assert finding.id == "portal.installation" and not finding.advice
    assert "manage.py adopt" in finding.hint


def test_orphaned_volumes_are_listed_as_advice(ada, settled):
    settled.volumes = {"ada", "carl"}
    (finding,) = check_installation()
    assert finding.advice
    assert "1 volume belongs to nobody" in finding.message and "carl" in finding.message


def test_another_portals_objects_are_listed_as_advice(settled):
    settled.others = [f"pods build-{number} (bbbb)" for number in range(7)]
    (finding,) = check_installation()
    assert finding.advice
    assert "7 objects of another portal" in finding.message
    assert "build-4" in finding.message and "build-5" not in finding.message
