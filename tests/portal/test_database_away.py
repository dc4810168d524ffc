"""While the database is away, pages and the API say so; they work again as soon as it is back."""

from __future__ import annotations

import sqlite3

import psycopg
import pytest
from django.db import OperationalError, ProgrammingError, connection
from django.test import Client

from sessions import outages

pytestmark = pytest.mark.django_db


def away(*arguments: object) -> None:
    raise OperationalError("the connection is closed, user bindery, password secret")


@pytest.fixture
def patient(as_ada) -> Client:
    as_ada.raise_request_exception = False
    return as_ada


def test_page_answers_503_until_the_database_is_back(patient):
    with connection.execute_wrapper(away):
        answer = patient.get("/")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "10"
    assert "database does not answer" in answer.text
    assert "database.away" in answer.text
    assert "secret" not in answer.text
    assert patient.get("/").status_code == 200


def test_api_answers_503_with_an_error_code_until_the_database_is_back(patient):
    with connection.execute_wrapper(away):
        answer = patient.get("/api/v1/projects/")
    assert answer.status_code == 503
    assert answer.json()["code"] == "database.away"
    assert answer.headers["Retry-After"] == "10"
    assert patient.get("/api/v1/projects/").status_code == 200


def caused(cause: Exception) -> OperationalError:
    error = OperationalError(str(cause))
    error.__cause__ = cause
    return error


def of_sqlite(number: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("it cannot be done")
    error.sqlite_errorcode = number
    return error


@pytest.mark.parametrize(
    "cause",
    [
        psycopg.OperationalError("connection refused"),
        psycopg.errors.AdminShutdown(),
        psycopg.errors.CannotConnectNow(),
        psycopg.errors.TooManyConnections(),
        of_sqlite(sqlite3.SQLITE_BUSY),
        of_sqlite(sqlite3.SQLITE_READONLY_DBMOVED),
        of_sqlite(sqlite3.SQLITE_CANTOPEN),
    ],
)
def test_errors_of_an_unavailable_database_are_recognized(cause):
    assert outages.is_database_away_error(caused(cause))


@pytest.mark.parametrize(
    "cause", [of_sqlite(sqlite3.SQLITE_ERROR), psycopg.errors.LockNotAvailable()]
)
def test_programming_errors_are_not_taken_for_an_outage(cause):
    assert not outages.is_database_away_error(caused(cause))
    assert not outages.is_database_away_error(ProgrammingError("no such column"))
