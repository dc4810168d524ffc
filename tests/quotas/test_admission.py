"""The limit on projects is exact, however many launch at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from quotas.limits import lock_person
from sessions import backends, lifecycle
from sessions.errors import QuotaExceeded
from sessions.models import Project, Session

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def backend(settings):
    backends.BACKENDS["scripted"] = "tests.scripted.ScriptedBackend"
    settings.PORTAL_BACKEND = "scripted"
    backends.get_backend.cache_clear()
    yield
    backends.get_backend.cache_clear()


def test_one_of_fifty_concurrent_launches_takes_the_last_project(ada):
    for _time in range(4):
        lifecycle.launch(ada, "ada/flowers")

    def launch(number: int) -> str:
        try:
            return lifecycle.launch(ada, "ada/flowers").name
        except QuotaExceeded as refusal:
            return refusal.code
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(launch, range(50)))
    assert results.count("quota.projects") == 49
    assert Project.objects.count() == Session.objects.count() == 5


def test_locking_outside_a_transaction_is_an_error(ada):
    with pytest.raises(RuntimeError):
        lock_person(ada.pk)
