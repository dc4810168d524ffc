"""Redis: that it answers, and hands on what is said."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator

from django.conf import settings
from django.utils.translation import gettext as _
from redis import Redis, RedisError

from portal.doctor.finding import Finding
from portal.doctor.reasons import in_a_line

SECONDS = 3.0


def check() -> Iterator[Finding]:
    if not settings.REDIS_URL:
        return
    try:
        if _comes_back():
            return
        why = _("what was published did not arrive")
    except (RedisError, OSError, ValueError) as error:
        why = in_a_line(error)
    yield Finding(
        "doctor.redis",
        _("Redis cannot be used: %(why)s. Logs and states on pages come late.") % {"why": why},
        _("Look at the server that REDIS_URL names."),
    )


def _comes_back() -> bool:
    """Whether a message arrives at who listens."""
    name, over = f"bindery-doctor-{secrets.token_hex(8)}", time.monotonic() + SECONDS
    with (
        Redis.from_url(
            settings.REDIS_URL, socket_timeout=SECONDS, socket_connect_timeout=SECONDS
        ) as redis,
        redis.pubsub() as listener,
    ):
        listener.subscribe(name)
        listener.get_message(timeout=SECONDS)  # that it listens
        redis.publish(name, name)
        while time.monotonic() < over:
            if (heard := listener.get_message(timeout=SECONDS)) and heard["type"] == "message":
                return True
    return False
