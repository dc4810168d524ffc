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
        words = {"provider": provider.name, "account": account}
        super().__init__(self.refusal_code, self._sentence() % words)
        self.account = account

    refusal_code = "oidc.not-allowed"

    def _sentence(self) -> str:
        return _(
            "%(provider)s knows you as %(account)s, but that account may not use this "
            "portal. If it should, give this name to whoever runs this portal; or sign "
            "in with another account."
        )


class GroupsNotSent(AccountNotAllowed):
    """Groups decide who may enter, and the provider did not say which the person is in."""

    refusal_code = "oidc.groups"

    def _sentence(self) -> str:
        return _(
            "%(provider)s knows you as %(account)s, but did not say which groups you are in, and "
            "only members of certain groups may use this portal. Tell whoever runs this portal, "
            "with this name: they can have the groups sent. Or sign in with another account."
        )


class AddressNotSent(AccountNotAllowed):
    """Domains of mail addresses decide who may enter, and the provider sent no address."""

    refusal_code = "oidc.email"

    def _sentence(self) -> str:
        return _(
            "%(provider)s knows you as %(account)s, but did not send your email address, and only "
            "people with an address in certain domains may use this portal. Tell whoever runs this "
            "portal, with this name: they can have it sent. Or sign in with another account."
        )


class ClocksDiffer(UnverifiedResponse):
    """The answer is of another time: the provider's clock and ours differ by ``seconds``.

    They are positive if ours is behind.
    """

    def __init__(self, provider: Provider, seconds: int) -> None:
        text = _(
            "The clocks of this portal and of %(provider)s differ by %(seconds)d seconds (this "
            "portal's is %(direction)s), so its response could not be verified and you were not "
            "signed in. Tell whoever runs this portal to set its clock; nothing is wrong with your "
            "account."
        )
        direction = _("behind") if seconds > 0 else _("ahead")
        words = {"provider": provider.name, "seconds": abs(seconds), "direction": direction}
        super().__init__("oidc.token", text % words)
        self.seconds = seconds


def provider_unavailable(provider: Provider) -> ProviderUnavailable:
    """Return the error for a provider that does not answer as it should."""
    text = _(
        "%(provider)s, where you sign in, is not responding properly at the moment. "
        "Nothing is wrong with your account. Try again in a few minutes; if it keeps "
        "happening, tell whoever runs this portal."
    )
    return ProviderUnavailable("oidc.away", text % {"provider": provider.name})


def unverified_response(provider: Provider) -> UnverifiedResponse:
    """Return the error for an answer that could not be verified."""
    text = _(
        "%(provider)s's response could not be verified, so you were not signed in. Try "
        "again; if it keeps happening, tell whoever runs this portal."
    )
    return UnverifiedResponse("oidc.token", text % {"provider": provider.name})


def provider_refused(provider: Provider) -> ProviderRefused:
    """Return the error for a code or token that the provider rejects."""
    text = _(
        "%(provider)s did not confirm the sign-in, so you were not signed in. This happens "
        "when a page is loaded twice, or after a long pause. Sign in again."
    )
    return ProviderRefused("oidc.refused", text % {"provider": provider.name})


def unexpected_response() -> UnverifiedResponse:
    """Return the error for an answer that this browser has not asked for, or asked for long ago."""
    return UnverifiedResponse(
        "oidc.state",
        _(
            "This sign-in was not started in this browser, or it has already been "
            "completed, so you were not signed in. Make sure that your browser accepts "
            "cookies, and start again from the sign-in page."
        ),
    )


def authorization_declined(provider: Provider, error: str) -> ProviderRefused:
    """Return the error for the provider's own code ``error``, such as ``access_denied``."""
    if error == "access_denied":
        text = _(
            "You were not signed in because the sign-in was declined at %(provider)s. If "
            "that was a mistake, sign in again."
        )
        return ProviderRefused("oidc.declined", text % {"provider": provider.name})
    text = _(
        "%(provider)s could not sign you in. Try again; if it keeps happening, tell "
        "whoever runs this portal that it said “%(error)s”."
    )
    return ProviderRefused("oidc.error", text % {"provider": provider.name, "error": error[:80]})
