"""A PostgreSQL that keeps the connection open and never answers: statements end, and it counts as
away.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper

from sessions import outages
from tests.faults import NONE, SILENT, FaultyProxy

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.servers,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite is no server"),
]


@pytest.fixture
def proxy() -> Iterator[FaultyProxy]:
    there = connection.settings_dict
    with FaultyProxy((there["HOST"], int(there["PORT"]))) as proxy:
        yield proxy


@pytest.fixture
def far(proxy: FaultyProxy, settings) -> Iterator[BaseDatabaseWrapper]:
    """A connection by way of the proxy."""
    settings.DATABASE_SECONDS = 1.0
    far = connection.copy()
    far.settings_dict = {**far.settings_dict, "HOST": "127.0.0.1", "PORT": proxy.port}
    yield far
    far.close()


def one(far: BaseDatabaseWrapper) -> int:
    with far.cursor() as cursor:
        cursor.execute("SELECT 1")
        return int(cursor.fetchone()[0])


def test_a_statement_without_an_answer_ends_and_the_next_one_works(far, proxy):
    assert one(far) == 1
    proxy.fault = SILENT
    with pytest.raises(OperationalError) as raised:
        one(far)
    assert outages.is_database_away_error(raised.value)
    proxy.fault = NONE
    far.close_if_unusable_or_obsolete()
    assert one(far) == 1


def test_a_transaction_without_an_answer_ends(far, proxy):
    far.set_autocommit(False)
    assert one(far) == 1
    proxy.fault = SILENT
    with pytest.raises(OperationalError):
        far.commit()
    assert far.connection.closed
