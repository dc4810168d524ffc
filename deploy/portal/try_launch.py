#!/usr/bin/env python3
"""Launch a notebook through the API and use it, as `helm test` does (deploy/chart).

    try_launch.py [--within SECONDS] http://bindery https://bindery.example.org/examples/hello.git

It uses an account of its own, and prints the project's events as they come. At the end it deletes
the project and its token. Only the account's empty volume stays.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django
import requests

ACCOUNT = "helm-test"


class Portal:
    """The API and the notebooks of a portal, reached through one address."""

    def __init__(self, address: str, url: str, token: str) -> None:
        self.address = address.rstrip("/")
        self.host = urlsplit(url).netloc
        self.http = requests.Session()
        self.http.trust_env = False  # a proxy is for the Internet
        self.http.headers["Authorization"] = f"Bearer {token}"

    def ask(self, method: str, path: str, host: str = "", **more: Any) -> Any:
        """Return what a host answers, by default the portal's; exit if it is an error."""
        headers = {"Host": host or self.host}
        answer = self.http.request(method, self.address + path, headers=headers, timeout=30, **more)
        if not answer.ok:
            sys.exit(
                f"{method} {host or self.host}{path}: {answer.status_code} {answer.text[:500]}"
            )
        return answer.json() if answer.content else None

    @contextmanager
    def project(self, repository: str) -> Iterator[str]:
        """Launch the repository, and delete the project at the end."""
        name = self.ask("POST", "/api/v1/projects/", json={"repository": repository})["name"]
        try:
            yield name
        finally:
            self.ask("DELETE", f"/api/v1/projects/{name}/?for_good=true")

    def until_ready(self, name: str, within: float) -> str:
        """Print the project's events until its notebook is ready; return the notebook's host."""
        cursor, end = 0, time.monotonic() + within
        while True:
            page = self.ask("GET", f"/api/v1/projects/{name}/events/?after={cursor}")
            cursor = page["next"]
            for event in page["events"]:
                print(f"{event['phase']}: {event['message']}", flush=True)
            project = self.ask("GET", f"/api/v1/projects/{name}/")
            if project["state"] == "ready":
                return urlsplit(project["url"]).netloc
            if project["state"] == "failed":
                sys.exit(f"The launch failed ({project['code']}): {project['message']}")
            if time.monotonic() > end:
                sys.exit(f"Not ready after {within:g} seconds, but {project['state']}.")
            time.sleep(0 if page["events"] else 1)


@contextmanager
def token() -> Iterator[str]:
    """Yield a token of the test's account, which is closed before and after."""
    from keys.issuing import expiry_in_days, issue
    from portal.models import User

    user, made = User.objects.get_or_create(username=ACCOUNT)
    if made:
        user.set_unusable_password()
        user.save()
    if user.has_usable_password() or user.issuer:
        sys.exit(f"The account {ACCOUNT} belongs to somebody. The test needs this name.")
    User.objects.filter(pk=user.pk).update(is_active=True)
    row, secret = issue(user, "helm test", expires=expiry_in_days(1))
    try:
        yield secret
    finally:
        row.delete()
        User.objects.filter(pk=user.pk).update(is_active=False)


def main(words: list[str] | None = None) -> None:
    """Launch, use and delete a notebook; exit with the reason if that fails."""
    parser = argparse.ArgumentParser(description="Launch a notebook through the API and use it.")
    parser.add_argument("--within", type=float, default=900, metavar="SECONDS")
    parser.add_argument("address")
    parser.add_argument("repository")
    asked = parser.parse_args(words)
    from django.conf import settings

    begun = time.monotonic()
    with token() as secret:
        portal = Portal(asked.address, settings.PORTAL_URL, secret)
        with portal.project(asked.repository) as name:
            host = portal.until_ready(name, asked.within)
            version = portal.ask("GET", "/api", host=host)["version"]
            portal.ask("GET", "/api/kernelspecs", host=host)
    print(f"A notebook with Jupyter {version} ran after {time.monotonic() - begun:.0f} seconds.")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    django.setup()
    main()
