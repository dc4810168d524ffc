"""Whether the cluster and the registry give the portal what it needs, for `portal.doctor`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from django.utils.translation import gettext as _

from sessions.backends import Problem
from sessions.errors import TemporaryError

from .cluster import Cluster
from .site import Site

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
    wanted = {"PORTAL_PUSH_SECRET": site.push_secret, "PORTAL_PULL_SECRET": site.pull_secret}
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
