"""``manage.py create_token``: prints a secret that works, and refuses strangers in words."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from keys.models import Token


@pytest.mark.django_db
def test_it_prints_a_token_of_that_person(ada):
    out = StringIO()
    call_command("create_token", "ada", stdout=out)
    token = Token.objects.of_secret(out.getvalue().strip())
    assert token is not None
    assert token.user == ada


@pytest.mark.django_db
def test_an_unknown_name_is_refused_in_words():
    with pytest.raises(CommandError, match="no account called “nobody”"):
        call_command("create_token", "nobody")
