"""Whether the cluster and the registry give the portal what it needs, and strangers nothing; for
`portal.doctor`."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator

from django.utils.translation import gettext as _

from sessions.backends import Problem
from sessions.errors import TemporaryError

from .cluster import Cluster
from .registry import Registry
from .site import TAG, Site

RIGHTS = {
    "pods": ("create", "get", "list", "watch", "delete", "patch"),
    "pods/log": ("get",),
    "secrets": ("create", "get", "list", "watch", "delete", "patch"),
    "persistentvolumeclaims": ("create", "get", "list", "patch"),
    "configmaps": ("get", "create"),
    "events": ("list", "watch"),
}
"""As ``deploy/kubernetes/rbac.yaml`` gives them."""
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"


def examine(cluster: Cluster, site: Site, registry: Callable[[], object]) -> Iterator[Problem]:
    """``registry`` asks the registry something, and raises `TemporaryError` where that fails."""
    yield from _registry(registry)
    yield from _rights(cluster)
    yield from _secrets(cluster, site)
    yield from _storage(cluster, site)
    yield from _builder(site)
    if site.registry:
        yield from _strangers(cluster, site)


def _registry(ask: Callable[[], object]) -> Iterator[Problem]:
    try:
        ask()
    except TemporaryError as error:
        hint = _("Look at PORTAL_REGISTRY and PORTAL_REGISTRY_AUTH (docs/kubernetes.md).")
        yield Problem(error.code, error.message, hint)


def _rights(cluster: Cluster) -> Iterator[Problem]:
    for kind, verbs in RIGHTS.items():
        if missing := [verb for verb in verbs if not cluster.may(verb, kind)]:
            message = _("The portal may not %(verbs)s %(kind)s in its namespace.")
            words = {"verbs": ", ".join(missing), "kind": kind}
            hint = _("Apply deploy/kubernetes/rbac.yaml.")
            yield Problem("kubernetes.rights", message % words, hint)


def _secrets(cluster: Cluster, site: Site) -> Iterator[Problem]:
    wanted = {
        "PORTAL_PUSH_SECRET": site.push_secret,
        "PORTAL_PULL_SECRET": site.pull_secret,
        "PORTAL_BASE_SECRET": site.base_secret,
    }
    for variable, name in wanted.items():
        if name and cluster.get("secrets", name) is None:
            message = _("There is no Secret “%(name)s”, which %(variable)s names.")
            hint = _("Make it in the portal's namespace (docs/kubernetes.md, “Registry”).")
            words = {"name": name, "variable": variable}
            yield Problem("kubernetes.secret", message % words, hint)


def _storage(cluster: Cluster, site: Site) -> Iterator[Problem]:
    """To look at storage classes is a right that an operator need not give."""
    name = site.storage_class
    if name and cluster.is_there(f"{CLASSES}/{name}") is False:
        message = _("There is no StorageClass “%(name)s”: people's volumes stay unbound.")
        hint = _("Set PORTAL_STORAGE_CLASS to one that `kubectl get storageclass` lists.")
        yield Problem("kubernetes.storage-class", message % {"name": name}, hint)


def _builder(site: Site) -> Iterator[Problem]:
    if site.builder_image and "@sha256:" not in site.builder_image:
        message = _("PORTAL_BUILDER_IMAGE is named by a tag, which can be moved to another image.")
        hint = _("Name it by its digest: …@sha256:….")
        yield Problem("kubernetes.builder-tag", message, hint)


def _strangers(cluster: Cluster, site: Site) -> Iterator[Problem]:
    """Try whether those who should not can read what is below the portal's own path.

    An image is asked for that nobody has made: to hear that it is not there is to be let in.
    """
    if _lets_in(site, ""):
        message = _("Anybody can read what is below PORTAL_REGISTRY, without an account.")
        hint = _("Have the registry ask for a login (docs/kubernetes.md, “The registry”).")
        yield Problem("registry.open", message, hint)
        return
    try:
        may = bool(site.base_secret) and _lets_in(site, _config(cluster, site.base_secret))
    except ValueError as error:
        message = _("The Secret of PORTAL_BASE_SECRET cannot be used: %(why)s.")
        hint = _("Make it as the other two (docs/kubernetes.md, “The registry”).")
        yield Problem("registry.base-account", message % {"why": error}, hint)
        return
    if may:
        message = _(
            "The account of PORTAL_BASE_SECRET, by which builds get the images that repositories "
            "name, can read what is below PORTAL_REGISTRY: other people's environments."
        )
        hint = _("Take that right from it (docs/kubernetes.md, “The registry”).")
        yield Problem("registry.base-account", message, hint)


def _lets_in(site: Site, auth: str) -> bool:
    registry = Registry(site.registry_address, plain_http=site.plain_http, auth=auth)
    try:
        registry.digest(site.repository("doctor"), TAG)
    except TemporaryError:  # it refuses, as it should; or it is away, which was told before
        return False
    return True


def _config(cluster: Cluster, name: str) -> str:
    """Return the docker ``config.json`` in a Secret; raises ValueError where there is none."""
    secret = cluster.get("secrets", name) or {}
    data = secret.get("data") or {}
    return base64.b64decode(data.get(".dockerconfigjson", ""), validate=True).decode()
