"""``manage.py create_token``: prints a secret that works, and refuses unknown users in words."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from keys.models import Token


@pytest.mark.django_db
def test_the_command_prints_a_token_of_the_given_person(ada):
    out = StringIO()
    call_command("create_token", "ada", stdout=out)
    token = Token.objects.find_by_secret(out.getvalue().strip())
    assert token is not None
    assert token.user == ada


@pytest.mark.django_db
def test_an_unknown_username_is_refused_with_a_message():
    with pytest.raises(CommandError, match="no account called “nobody”"):
        call_command("create_token", "nobody")


@pytest.mark.django_db
def test_options_set_name_scopes_and_expiry(ada):
    out = StringIO()
    options = {"name": "nightly", "scopes": "read,notebook", "days": 7}
    call_command("create_token", "ada", stdout=out, **options)
    token = Token.objects.get()
    assert out.getvalue().count("\n") == 1
    assert (token.name, token.scopes) == ("nightly", ["read", "notebook"])
    assert token.expires
    assert token.expires - token.created < timedelta(days=7, minutes=5)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"scopes": "read,everything"},
            "no scope “everything”. The scopes are: read, launch, notebook",
        ),
        ({"scopes": ""}, "at least one scope: read, launch, notebook"),
        ({"days": 0}, "from 1 to 365 days"),
        ({"days": 366}, "from 1 to 365 days"),
    ],
)
def test_invalid_options_are_refused_with_a_message(ada, options, words):
    with pytest.raises(CommandError, match=words):
        call_command("create_token", "ada", **options)
    assert not Token.objects.exists()
