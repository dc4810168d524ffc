"""The database back end: Django's, whose statements do not wait for ever.

A server that is frozen, or a proxy that has lost it, keeps the connection open and never answers.
TCP's own time limits do not see that, and PostgreSQL's ``statement_timeout`` is kept by the server.
So here the client gives up after ``settings.DATABASE_SECONDS``, and closes the connection, because
the answer may still come. The error counts as that of a database that is away.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import psycopg
from django.conf import settings
from django.db.backends.postgresql import base
from psycopg.pq import TransactionStatus


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection whose statements have a time limit, if there is one for this process."""

    def get_new_connection(self, conn_params: Any) -> Any:
        connection = super().get_new_connection(conn_params)
        if settings.DATABASE_SECONDS:
            connection.wait = partial(_wait, connection, seconds=settings.DATABASE_SECONDS)
        return connection


def _wait(connection: psycopg.Connection[Any], work: Any, *_interval: float, seconds: float) -> Any:
    """Wait for what the server has to do, at most ``seconds`` seconds."""
    try:
        return psycopg.Connection.wait(connection, work, timeout=seconds)
    except psycopg.OperationalError:
        if connection.pgconn.transaction_status == TransactionStatus.ACTIVE:
            connection.close()
        raise
