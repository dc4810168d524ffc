"""Run the certified `oidc-provider` with the environment's node: see ``provider/provider.js``.

    with Provider(portal.url) as provider:
        provider.people["1"] = {"preferred_username": "ada", "email": "ada@example.org"}
        provider.write()

Changes count from the next request on. ``bin/setup test`` installs the provider.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Self

FOLDER = Path(__file__).resolve().parent / "provider"
SECRET = "a secret of provider and portal, for tests"


class Provider:
    """One issuer, with the portal at ``url`` as its only client. ``people`` are the claims by
    subject; one who is ``disabled`` is refused, and while the provider is ``away`` it answers
    nobody. Its ``clock`` is so many seconds ahead.
    """

    def __init__(
        self, url: str, slug: str = "provider", *, claims_in_id_token: bool = True
    ) -> None:
        self.slug = slug
        self.people: dict[str, dict[str, Any]] = {}
        self.away = False
        self.clock = 0
        self._claims_in_id_token = claims_in_id_token
        self._client = {
            "client_id": "portal",
            "client_secret": SECRET,
            "redirect_uris": [f"{url}/oidc/{slug}/callback/"],
            "post_logout_redirect_uris": [f"{url}/oidc/{slug}/signed-out/", f"{url}/"],
            "backchannel_logout_uri": f"{url}/oidc/{slug}/back-channel-logout/",
            "backchannel_logout_session_required": True,
            "grant_types": ["authorization_code", "refresh_token"],
        }

    def __enter__(self) -> Self:
        assert (FOLDER / "node_modules").is_dir(), "bin/setup test installs the provider"
        self._folder = tempfile.TemporaryDirectory(prefix="provider-")
        self._file = Path(self._folder.name) / "people.json"
        self.write()
        log = Path(self._folder.name) / "log"
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [Path(sys.executable).with_name("node"), FOLDER / "provider.js"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._say({"file": str(self._file), "client": self._client})
        assert self._process.stdout
        self.issuer = self._process.stdout.readline().strip()
        assert self.issuer, log.read_text()
        return self

    def __exit__(self, *why: object) -> None:
        self._process.communicate(timeout=20)  # it ends with its input
        self._folder.cleanup()

    def _say(self, order: dict[str, Any]) -> None:
        order["claimsInIdToken"] = self._claims_in_id_token
        assert self._process.stdin
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def write(self) -> None:
        """Put the current ``people``, ``away`` and ``clock`` into effect."""
        fresh = self._file.with_suffix(".new")
        state = {"people": self.people, "away": self.away, "clock": self.clock}
        fresh.write_text(json.dumps(state))
        fresh.replace(self._file)

    def put(self, subject: str, **claims: Any) -> None:
        """Add these claims to a person, who is created if unknown."""
        self.people.setdefault(subject, {}).update(claims)
        self.write()

    def environment(self, start: str = "OIDC_") -> dict[str, str]:
        """Return the environment variables that the portal needs for this provider."""
        return {
            f"{start}RP_CLIENT_ID": "portal",
            f"{start}RP_CLIENT_SECRET": SECRET,
            f"{start}OP_ISSUER": self.issuer,
            f"{start}RP_SCOPES": "openid email profile groups entitlements",
        }
