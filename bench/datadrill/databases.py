"""Make further databases on the PostgreSQL server that the portal uses."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from urllib.parse import urlsplit

import psycopg
from psycopg import sql


def made(like: str) -> AbstractContextManager[str]:
    """Make an empty database on the server of this address; the context gives its address."""
    return _there(like, _create(like, "template1"))


def copied(original: str) -> AbstractContextManager[str]:
    """Copy a database that is not in use; the context gives the copy's address."""
    return _there(original, _create(original, urlsplit(original).path.lstrip("/")))


@contextmanager
def _there(server: str, name: str) -> Iterator[str]:
    try:
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        _do(server, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _create(server: str, template: str) -> str:
    name = f"drill_{secrets.token_hex(4)}"
    words = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    _do(server, words.format(sql.Identifier(name), sql.Identifier(template)))
    return name


def _do(server: str, statement: sql.Composed) -> None:
    """Execute through the database template1: a database that is in use cannot be a template."""
    with psycopg.connect(urlsplit(server)._replace(path="/template1").geturl()) as connection:
        connection.autocommit = True
        connection.execute(statement)
