"""List, create and revoke API tokens on the account page.

A secret appears once, in the answer to the POST that made it: in no address, message or session,
and in no copy that a browser keeps.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from keys.models import Token
from portal.models import User
from portal.pages.forms import TokenForm
from portal.pages.responses import person, redirect_to, signed_in

SCOPE_VERBS = {
    "read": gettext_lazy("look"),
    "launch": gettext_lazy("launch and change"),
    "notebook": gettext_lazy("reach notebooks"),
}
"""A token's permissions, in two words each."""


def template_context(user: User) -> dict[str, Any]:
    """Return the context of ``templates/portal/_tokens.html`` for this person's tokens."""
    rows = Token.objects.filter(user=user).defer("digest").order_by("-created", "-pk")
    return {
        "tokens": [(token, _describe_scopes(token)) for token in rows],
        "token_form": TokenForm(user),
    }


def _describe_scopes(token: Token) -> str:
    return _("may %(verbs)s") % {
        "verbs": ", ".join(str(SCOPE_VERBS[scope]) for scope in token.scopes)
    }


@never_cache
@require_http_methods(["GET", "POST"])
@signed_in
@sensitive_variables()
def make(request: HttpRequest) -> HttpResponseBase:
    """Create a token and show its secret; errors are shown on the form, on a page of its own.

    A GET comes from the way back after signing in, and creates nothing.
    """
    if request.method == "GET":
        return _form(request, TokenForm(person(request)))
    form = TokenForm(person(request), request.POST)
    made = form.make()
    if made is None:
        return _form(request, form, status=400)
    token, secret = made
    context = {"token": token, "secret": secret, "command": _command(token, secret)}
    return render(request, "portal/token_created.html", context)


@require_POST
@signed_in
def revoke(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Revoke one of the person's own tokens."""
    token = get_object_or_404(Token.objects.filter(user=person(request)), pk=pk)
    token.delete()
    messages.success(request, _("The token “%(name)s” is revoked.") % {"name": token.name})
    return redirect_to(request, _tokens())


@require_POST
@signed_in
def revoke_all(request: HttpRequest) -> HttpResponseBase:
    """Revoke all of the person's tokens."""
    Token.objects.filter(user=person(request)).delete()
    text = _("All your tokens are revoked. Programs that used one have to be given a new one.")
    messages.success(request, text)
    return redirect_to(request, _tokens())


def _form(request: HttpRequest, form: TokenForm, status: int = 200) -> HttpResponse:
    return render(request, "portal/token_form.html", {"token_form": form}, status=status)


def _command(token: Token, secret: str) -> str:
    """Return a harmless command to try the token with; "" if its scopes allow none."""
    if not token.allows("read"):
        return ""
    return f'curl -H "Authorization: Bearer {secret}" {settings.PORTAL_URL}/api/v1/me/'


def _tokens() -> str:
    return f"{reverse('account')}#tokens"
