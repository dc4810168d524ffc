"""The errors of signing in, each with a stable code and a message for people."""

from __future__ import annotations

from django.utils.translation import gettext as _

from sessions.errors import NotAllowed, TemporaryError, UserError

from .provider import Provider


class ProviderUnavailable(TemporaryError):
    """The provider does not answer, or not in a way that says anything about the person."""


class ProviderRefused(UserError):
    """The provider says no: to this code, or to this refresh token."""


class UnverifiedResponse(UserError):
    """The answer proves nobody's identity: it is forged, stale, or for another browser."""


class AccountNotAllowed(NotAllowed):
    """The provider knows the person, but this site lets in only some of its people.

    ``account`` is the provider's name for them.
    """

    def __init__(self, provider: Provider, account: str) -> None:
        super().__init__(
            "oidc.not-allowed",
            _(
                "%(provider)s knows you as %(account)s, and this portal is not open to that"
                " account. If it should be, ask whoever runs this portal and tell them this name;"
                " or sign in with another account."
            )
            % {"provider": provider.name, "account": account},
        )
        self.account = account


def provider_unavailable(provider: Provider) -> ProviderUnavailable:
    """Return the error for a provider that does not answer as it should."""
    text = _(
        "%(provider)s, where you sign in, does not answer as it should at present. Nothing is"
        " wrong with your account. Try again in a few minutes; if it goes on, tell whoever runs"
        " this portal."
    )
    return ProviderUnavailable("oidc.away", text % {"provider": provider.name})


def unverified_response(provider: Provider) -> UnverifiedResponse:
    """Return the error for an answer that could not be verified."""
    text = _(
        "%(provider)s's answer could not be verified, so nobody was signed in. Try again; if it"
        " goes on, tell whoever runs this portal."
    )
    return UnverifiedResponse("oidc.token", text % {"provider": provider.name})


def provider_refused(provider: Provider) -> ProviderRefused:
    """Return the error for a code or token that the provider rejects."""
    text = _(
        "%(provider)s did not confirm the sign-in, so nobody was signed in. That happens when a"
        " page is loaded a second time, or after a long pause. Sign in once more."
    )
    return ProviderRefused("oidc.refused", text % {"provider": provider.name})


def unexpected_response() -> UnverifiedResponse:
    """Return the error for an answer that this browser has not asked for, or asked for long ago."""
    return UnverifiedResponse(
        "oidc.state",
        _(
            "This sign-in was not begun in this browser, or it was finished already, so nobody was"
            " signed in. Cookies must be allowed for it. Start again from the sign-in page."
        ),
    )


def authorization_declined(provider: Provider, error: str) -> ProviderRefused:
    """Return the error for the provider's own code ``error``, such as ``access_denied``."""
    if error == "access_denied":
        text = _(
            "You were not signed in, because it was declined at %(provider)s. If that was not what"
            " you wanted, sign in once more."
        )
        return ProviderRefused("oidc.declined", text % {"provider": provider.name})
    text = _(
        "%(provider)s could not sign you in. Try again; if it goes on, tell whoever runs this"
        " portal, and that it said “%(error)s”."
    )
    return ProviderRefused("oidc.error", text % {"provider": provider.name, "error": error[:80]})
