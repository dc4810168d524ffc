"""Why a person's SSH key opened nothing, in words for them; part of `gitfailures`.

What ssh and the forges say is the same in the versions in use (it runs with the C locale).
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from keys.identity import Identity
from sessions.errors import UserError

KEY_PAGES = {
    "github.com": "https://github.com/settings/keys",
    "gitlab.com": "https://gitlab.com/-/user_settings/ssh_keys",
    "bitbucket.org": "https://bitbucket.org/account/settings/ssh-keys/",
    "codeberg.org": "https://codeberg.org/user/settings/keys",
}
"""Where people add their public key, by host."""

_HOST_KEY = re.compile(
    r"Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED|host key is known for"
)
_KEY = re.compile(r"Permission denied \(")
_CLOSED = re.compile(
    r"not found|could not be found|not appear to be a git repository|does not exist|nauthori[sz]ed"
    r"|access denied|do(?:es)? not have (?:access|permission)|ccess (?:is )?denied"
)


def key_page(url: str) -> str:
    """Where the repository's host takes public keys; empty where that is not known."""
    return KEY_PAGES.get(urlsplit(url).hostname or "", "")


def failure(complaint: str, url: str, identity: Identity, git: str) -> UserError | None:
    """What ssh's or the server's complaint means; None where it is not about keys.

    ``git`` is the complaint as it may be shown.
    """
    host = urlsplit(url).hostname or url
    if _HOST_KEY.search(complaint):
        return _host_key_changed(host, git)
    if _KEY.search(complaint):
        return _key_not_accepted(url, host, identity, git)
    if _CLOSED.search(complaint):
        return _closed(url, identity, git)
    return None


def _host_key_changed(host: str, git: str) -> UserError:
    return UserError(
        "launch.host-key-changed",
        _(
            "%(host)s does not show the SSH key that it is known by, so the portal has asked it"
            " for nothing. Either the people who run it have given it a new key, or somebody"
            " stands in its place. Ask them, and then the staff of this portal, who can accept"
            " the new key."
        )
        % {"host": host},
        git=git,
    )


def _key_not_accepted(url: str, host: str, identity: Identity, git: str) -> UserError:
    page = key_page(url)
    values = {"host": host, "page": page, "account": f"{settings.PORTAL_URL}/account/"}
    if page:
        sentence = _(
            "%(host)s does not accept your SSH key. Copy the public key from your account page"
            " (%(account)s), add it at %(page)s, and launch again."
        )
    else:
        sentence = _(
            "%(host)s does not accept your SSH key. Copy the public key from your account page"
            " (%(account)s), add it to your account there, and launch again."
        )
    return UserError(
        "launch.key-not-accepted",
        sentence % values,
        public_key=identity.public,
        page=page,
        git=git,
    )


def _closed(url: str, identity: Identity, git: str) -> UserError:
    return UserError(
        "launch.repository-not-found",
        _(
            "%(url)s does not exist, or your SSH key may not read it. Check the spelling, and ask"
            " its owner to let you in, or to add your public key, which is on your account page."
        )
        % {"url": url},
        public_key=identity.public,
        git=git,
    )
