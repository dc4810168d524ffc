"""A Redis that accepts and never answers: nobody waits for it more than once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.cache import cache, caches

from portal.lib.cache import gate
from sessions.progress.notify import redis_errors
from tests.faults import NONE, SILENT, FaultyProxy
from tests.redisserver import redis_server

pytestmark = pytest.mark.servers


@pytest.fixture
def silent(tmp_path, settings) -> Iterator[FaultyProxy]:
    """A proxy before a Redis on a port; it is silent."""
    with redis_server(tmp_path, port=True) as (address, _process):
        target = ("127.0.0.1", int(address.rpartition(":")[2]))
        with FaultyProxy(target) as proxy:
            settings.CACHES = {
                "default": {
                    "BACKEND": "portal.lib.cache.FailSafeCache",
                    "LOCATION": f"redis://{proxy.address}",
                }
            }
            proxy.fault = SILENT
            yield proxy
            proxy.fault = NONE
            gate.open()


def test_the_cache_seems_empty_and_is_asked_once(silent: FaultyProxy):
    for _each in range(20):
        assert cache.get("name", "nothing") == "nothing"
        cache.set("name", 1)
        assert not cache.add("name", 1)
    assert silent.accepted == 1


def test_counting_says_at_once_that_it_cannot(silent: FaultyProxy):
    cache.get("name")
    for _each in range(20):
        with pytest.raises(redis_errors()):
            cache.incr("name")
    assert silent.accepted == 1


def test_after_the_first_threads_no_thread_waits_for_it(silent: FaultyProxy):
    def look(_number: int) -> int:
        return int(caches["default"].get("name", 0))

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(look, range(20))) == {0}
        first = silent.accepted
        assert set(pool.map(look, range(200))) == {0}
    assert silent.accepted == first


def test_it_is_used_again_as_soon_as_it_answers(silent: FaultyProxy):
    cache.get("name")
    silent.fault = NONE
    gate._closed_until = 1.0  # the pause is over
    cache.set("name", "there")
    assert cache.get("name") == "there"
