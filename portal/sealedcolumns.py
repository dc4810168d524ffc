"""Everything that is stored sealed, for those who go through all of it."""

from __future__ import annotations

from keys import keypairs
from keys.models import KeyPair
from keys.resealing import Column
from portal.models import SignIn
from portal.oidc.signins import REFRESH_TOKEN
from sessions.models import Session, session

COLUMNS = (
    Column(KeyPair, "sealed", keypairs.USE, "user__username"),
    Column(Session, "sealed_token", session.USE, "project__owner__username"),
    Column(SignIn, "sealed", REFRESH_TOKEN, "user__username"),
)
