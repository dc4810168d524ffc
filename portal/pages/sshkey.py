"""The SSH key on the account page: its public half, making the first one, replacing it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from keys import keypairs
from keys.models import KeyPair
from portal.models import User
from portal.pages.asking import go_to, person, signed_in
from sessions.lifecycle import sshkey


def own(user: User) -> dict[str, Any]:
    """What ``templates/portal/_key.html`` shows of this person's key."""
    return {"key_pair": KeyPair.objects.filter(user=user).defer("sealed").first()}


@require_POST
@signed_in
def make(request: HttpRequest) -> HttpResponseBase:
    """The first one; who has one already keeps it."""
    keypairs.ensure(person(request))
    text = _("Your SSH key is made. Add its public half wherever it shall open something.")
    messages.success(request, text)
    return go_to(request, _key())


@require_POST
@signed_in
def replace(request: HttpRequest) -> HttpResponseBase:
    sshkey.replace(person(request))
    text = _(
        "Your SSH key is replaced, and notebooks that run have the new one within a minute or two. "
        "Add it wherever you had added the old one, and remove the old one there."
    )
    messages.success(request, text)
    return go_to(request, _key())


def _key() -> str:
    return f"{reverse('account')}#ssh-key"
