#!/usr/bin/env python3
"""Make a Secret with random values in the pod's namespace, unless it is there (deploy/chart).

    make_secrets.py [--unless-used] bindery-keys PORTAL_SECRET_KEY PORTAL_ENCRYPTION_KEYS
    make_secrets.py bindery-embedded PASSWORD "DATABASE_URL=postgres://bindery:{PASSWORD}@postgres"

A key without a value gets a random one, and later values may use it. A Secret that exists is never
changed: another encryption key would make people's SSH keys unreadable. For the same reason,
``--unless-used`` refuses to make one where a portal has run before.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from kubernetes import client, config
from urllib3.exceptions import HTTPError

TRACE = "bindery-installation"
"""A ConfigMap that a portal makes at its first start and nothing removes."""
REFUSED = """\
There is no Secret {name} in the namespace {namespace}, but a portal has run here before: there is
the ConfigMap {trace}.
With new keys, nobody could read the SSH keys and sign-ins that are encrypted in its database.
Restore the Secret from your copy, or set keys.existingSecret to the Secret that has the keys.
If you want new keys all the same, create the Secret yourself (docs/kubernetes.md, "Keys")."""
INCOMPLETE = """\
The Secret {name} in the namespace {namespace} exists, but lacks {missing}.
Nothing was changed. Add what is missing from your copy of it (docs/kubernetes.md, "Keys")."""
SECONDS = 30
"""For how long a request is repeated: new permissions take a moment to be known everywhere."""

_SOON = {"_request_timeout": 20}


def main(words: list[str] | None = None) -> str:
    """Make the Secret; return what happened, or exit with the reason why not."""
    parser = argparse.ArgumentParser(description="Make a Secret with random values.")
    parser.add_argument("--unless-used", action="store_true")
    parser.add_argument("name")
    parser.add_argument("keys", nargs="+", metavar="KEY[=VALUE]")
    asked = parser.parse_args(words)
    namespace = os.environ["NAMESPACE"]
    names = {"name": asked.name, "namespace": namespace, "trace": TRACE}
    api = _connect()
    while True:
        found = _patient(lambda: api.read_namespaced_secret(asked.name, namespace, **_SOON))
        if found:
            wanted = [each.partition("=")[0] for each in asked.keys]
            if missing := [key for key in wanted if key not in (found.data or {})]:
                sys.exit(INCOMPLETE.format(missing=", ".join(missing), **names))
            return f"The Secret {asked.name} is there. Nothing was changed."
        if asked.unless_used and _patient(
            lambda: api.read_namespaced_config_map(TRACE, namespace, **_SOON)
        ):
            sys.exit(REFUSED.format(**names))
        body = {
            "metadata": {
                "name": asked.name,
                "labels": {"app.kubernetes.io/name": "bindery"},
                "annotations": {"helm.sh/resource-policy": "keep"},
            },
            "stringData": values(asked.keys),
        }
        if _patient(lambda body=body: api.create_namespaced_secret(namespace, body, **_SOON)):
            return f"The Secret {asked.name} was made. Keep a copy of it in a safe place."
        # Another Job has just made it.


def values(keys: Iterable[str]) -> dict[str, str]:
    """Return the value of each key: what is given, or 256 random bits."""
    made: dict[str, str] = {}
    for each in keys:
        key, given, value = each.partition("=")
        made[key] = value.format(**made) if given else secrets.token_hex(32)
    return made


def _connect() -> client.CoreV1Api:
    """Return the cluster's API, of the pod's own cluster unless KUBECONFIG names another."""
    chosen = client.Configuration()
    if file := os.environ.get("KUBECONFIG"):
        config.load_kube_config(file, client_configuration=chosen)
    else:
        config.load_incluster_config(client_configuration=chosen)
    chosen.retries = False
    return client.CoreV1Api(client.ApiClient(chosen))


def _patient(call: Callable[[], Any]) -> Any:
    """Return the answer; None if there is no such object, or there is one already."""
    end = time.monotonic() + SECONDS
    while True:
        try:
            return call()
        except client.ApiException as error:
            if error.status in {404, 409}:
                return None
            why = f"{error.status} {error.reason}"
        except HTTPError as error:
            why = str(error)
        if time.monotonic() > end:
            sys.exit(f"The cluster's API does not do as it is asked: {why}")
        time.sleep(1)


if __name__ == "__main__":
    print(main())
