"""Check the operator's settings, the cluster and the registry before anything is launched.

`problems` finds missing or wrong settings; they are reported at start, by ``/health`` and on staff
pages, and nothing is launched until they are fixed. `examine` checks that the cluster and the
registry give the portal what it needs, and outsiders nothing; it is for `portal.health.doctor`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from sessions.backends import Problem
from sessions.errors import TemporaryError

from .cluster import Cluster
from .registry import Registry, registry_login
from .serverpod import CONTAINER
from .site import IMAGE_TAG, Site

_IDS = {
    "PORTAL_POD_TEMPLATE": "kubernetes.template",
    "PORTAL_SITE_VARIABLES": "kubernetes.variables",
    "PORTAL_MACHINES": "kubernetes.machines",
    "PORTAL_REGISTRY_AUTH": "kubernetes.registry-auth",
}
_HOST_NAMESPACES = ("hostNetwork", "hostPID", "hostIPC")


def problems(site: Site) -> Iterator[Problem]:
    """Yield each setting that keeps builds or notebooks from running, or from running safely."""
    needed = {
        "kubernetes.registry": ("PORTAL_REGISTRY", site.registry),
        "kubernetes.builder": ("PORTAL_BUILDER_IMAGE", site.builder_image),
    }
    for id_, (variable, value) in needed.items():
        if not value:
            message = _("%(variable)s is not set.") % {"variable": variable}
            yield Problem(id_, message, _hint())
    for variable, why in {**site.invalid_settings, **_wrong_login(site)}.items():
        message = _("%(variable)s is not valid: %(why)s.")
        yield Problem(_IDS[variable], message % {"variable": variable, "why": why}, _hint())
    if dangers := ", ".join(_unsafe_keys(site.pod_template)):
        message = _("PORTAL_POD_TEMPLATE would give notebooks access to the node: %(what)s.")
        hint = _("Remove that from the file: notebooks run code that strangers wrote.")
        yield Problem("kubernetes.template", message % {"what": dangers}, hint)


def _hint() -> str:
    return _("See docs/kubernetes.md, “Settings”.")


def _wrong_login(site: Site) -> dict[str, str]:
    try:
        registry_login(settings.PORTAL_REGISTRY_AUTH, site.registry_address)
    except ValueError as error:
        return {"PORTAL_REGISTRY_AUTH": _("it %(why)s") % {"why": error}}
    return {}


def _unsafe_keys(template: dict[str, Any]) -> Iterator[str]:
    """Yield what a template adds that `merge_template` lets through and that breaks isolation.

    The notebook's own container is skipped: the template cannot change its rights.
    """
    pod = template.get("spec")
    if not isinstance(pod, dict):
        return
    yield from (key for key in _HOST_NAMESPACES if pod.get(key))
    named = [
        *_named_containers(pod.get("initContainers")),
        *_named_containers(pod.get("containers")),
    ]
    for name, container in named:
        rights = container.get("securityContext")
        if name != CONTAINER and isinstance(rights, dict) and rights.get("privileged"):
            yield _("privileged %(name)s") % {"name": name}


def _named_containers(containers: object) -> Iterator[tuple[str, dict[str, Any]]]:
    for each in containers if isinstance(containers, list) else []:
        if isinstance(each, dict):
            yield str(each.get("name", "?")), each


REQUIRED_RIGHTS = {
    "pods": ("create", "get", "list", "watch", "delete", "patch"),
    "pods/log": ("get",),
    "secrets": ("create", "get", "list", "watch", "delete", "patch"),
    "persistentvolumeclaims": ("create", "get", "list", "patch"),
    "configmaps": ("get", "create"),
    "events": ("list", "watch"),
    "resourcequotas": ("list",),
    "limitranges": ("list",),
}
"""The rights that the chart grants (``deploy/chart/templates/rbac.yaml``)."""
STORAGE_CLASSES = "/apis/storage.k8s.io/v1/storageclasses"


def examine(cluster: Cluster, site: Site, registry: Callable[[], object]) -> Iterator[Problem]:
    """Yield problems of the registry, rights, Secrets, storage and builder.

    ``registry`` asks the registry something, and raises `TemporaryError` where that fails.
    """
    yield from _registry(registry)
    yield from _rights(cluster)
    yield from _secrets(cluster, site)
    yield from _storage(cluster, site)
    yield from _builder(site)
    if site.registry:
        yield from _anonymous_access(cluster, site)


def check_access(cluster: Cluster, site: Site) -> Iterator[Problem]:
    """Yield missing rights and objects, with few requests."""
    listed = cluster.rights()
    for kind, verbs in REQUIRED_RIGHTS.items():
        unlisted = [verb for verb in verbs if not listed(verb, kind)]
        if missing := [verb for verb in unlisted if not cluster.may(verb, kind)]:
            yield _missing_rights(kind, missing)
    yield from _secrets(cluster, site)


def _registry(ask: Callable[[], object]) -> Iterator[Problem]:
    try:
        ask()
    except TemporaryError as error:
        hint = _("Check PORTAL_REGISTRY and PORTAL_REGISTRY_AUTH (docs/kubernetes.md).")
        yield Problem(error.code, error.message, hint)


def _rights(cluster: Cluster) -> Iterator[Problem]:
    for kind, verbs in REQUIRED_RIGHTS.items():
        if missing := [verb for verb in verbs if not cluster.may(verb, kind)]:
            yield _missing_rights(kind, missing)


def _missing_rights(kind: str, missing: list[str]) -> Problem:
    message = _("The portal may not %(verbs)s %(kind)s in its namespace.")
    words = {"verbs": ", ".join(missing), "kind": kind}
    hint = _("Run “helm upgrade” again, or apply deploy/kubernetes/rbac.yaml.")
    return Problem("kubernetes.rights", message % words, hint)


def _secrets(cluster: Cluster, site: Site) -> Iterator[Problem]:
    wanted = {
        "PORTAL_PUSH_SECRET": site.push_secret,
        "PORTAL_PULL_SECRET": site.pull_secret,
        "PORTAL_BASE_SECRET": site.base_secret,
    }
    for variable, name in wanted.items():
        if name and cluster.get("secrets", name) is None:
            message = _("There is no Secret “%(name)s”, which %(variable)s names.")
            hint = _("Create it in the portal's namespace (docs/kubernetes.md, “Registry”).")
            words = {"name": name, "variable": variable}
            yield Problem("kubernetes.secret", message % words, hint)
    if site.ca_configmap and cluster.get("configmaps", site.ca_configmap) is None:
        message = _("There is no ConfigMap “%(name)s”, which PORTAL_CA_CONFIGMAP names.")
        hint = _("Create it in the portal's namespace, with a key “ca.crt” (docs/kubernetes.md).")
        yield Problem("kubernetes.configmap", message % {"name": site.ca_configmap}, hint)


def _storage(cluster: Cluster, site: Site) -> Iterator[Problem]:
    """Check the storage class. An operator need not grant the right to read those."""
    name = site.storage_class
    if name and cluster.exists(f"{STORAGE_CLASSES}/{name}") is False:
        message = _("There is no StorageClass “%(name)s”, so people's volumes stay unbound.")
        hint = _("Set PORTAL_STORAGE_CLASS to one that `kubectl get storageclass` lists.")
        yield Problem("kubernetes.storage-class", message % {"name": name}, hint)


def _builder(site: Site) -> Iterator[Problem]:
    if site.builder_image and "@sha256:" not in site.builder_image:
        message = _("PORTAL_BUILDER_IMAGE names a tag, which can be moved to another image.")
        hint = _("Use a digest instead: …@sha256:….")
        yield Problem("kubernetes.builder-tag", message, hint)


def _anonymous_access(cluster: Cluster, site: Site) -> Iterator[Problem]:
    """Check whether outsiders can read what is below the portal's own path.

    Asks for an image that does not exist: being told "not found" means being let in.
    """
    if _can_read(site, ""):
        message = _("Anyone can read the images below PORTAL_REGISTRY without an account.")
        hint = _("Make the registry require a login (docs/kubernetes.md, “The registry”).")
        yield Problem("registry.open", message, hint)
        return
    try:
        may = bool(site.base_secret) and _can_read(site, _docker_config(cluster, site.base_secret))
    except ValueError as error:
        message = _("The Secret that PORTAL_BASE_SECRET names is not valid: %(why)s.")
        hint = _("Create it like the other two (docs/kubernetes.md, “The registry”).")
        yield Problem("registry.base-account", message % {"why": error}, hint)
        return
    if may:
        message = _(
            "The account of PORTAL_BASE_SECRET, with which builds pull the images that "
            "repositories name, can read the images below PORTAL_REGISTRY: other people's "
            "environments."
        )
        hint = _("Revoke that right (docs/kubernetes.md, “The registry”).")
        yield Problem("registry.base-account", message, hint)


def _can_read(site: Site, auth: str) -> bool:
    registry = Registry(site.registry_address, plain_http=site.plain_http, auth=auth)
    try:
        registry.digest(site.repository("doctor"), IMAGE_TAG)
    except TemporaryError:  # it refuses, as it should, or it is down, which was reported above
        return False
    return True


def _docker_config(cluster: Cluster, name: str) -> str:
    """Return the docker ``config.json`` in a Secret, "" if it has none.

    Raises ValueError if that is not text in base64.
    """
    secret = cluster.get("secrets", name) or {}
    data = secret.get("data") or {}
    return base64.b64decode(data.get(".dockerconfigjson", ""), validate=True).decode()
