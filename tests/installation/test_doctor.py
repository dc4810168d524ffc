"""``manage.py doctor`` on database and data: what it reports; it changes neither."""

from __future__ import annotations

import pytest

from portal.health.doctor.storage import check_installation
from portal.models import Installation

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_belongs_together_is_no_finding(settled):
    assert list(check_installation()) == []


def test_a_first_start_is_none_either_and_gives_nothing(backend):
    assert list(check_installation()) == []
    assert (backend.place, Installation.objects.current_id()) == ("", "")


def test_what_does_not_is_one_with_what_to_do(settled):
    settled.place = "b" * 32
    (finding,) = check_installation()
    assert finding.id == "portal.installation" and not finding.advice
    assert "manage.py adopt" in finding.hint


def test_volumes_of_nobody_are_listed_as_advice(ada, settled):
    settled.volumes = {"ada", "carl"}
    (finding,) = check_installation()
    assert finding.advice
    assert "1 volume belongs to nobody" in finding.message and "carl" in finding.message


def test_another_portals_things_are_listed_as_advice(settled):
    settled.others = [f"pods build-{number} (bbbb)" for number in range(7)]
    (finding,) = check_installation()
    assert finding.advice
    assert "7 objects of another portal" in finding.message
    assert "build-4" in finding.message and "build-5" not in finding.message
