"""What an operator has left out or got wrong: said at start, by ``/health`` and on the pages of
staff. Until it is mended, nothing is launched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from sessions.backends import Problem

from .registrylogin import login
from .serverpod import CONTAINER
from .site import Site

_IDS = {
    "PORTAL_POD_TEMPLATE": "kubernetes.template",
    "PORTAL_SITE_VARIABLES": "kubernetes.variables",
    "PORTAL_REGISTRY_AUTH": "kubernetes.registry-auth",
}
_OF_THE_NODE = ("hostNetwork", "hostPID", "hostIPC")


def problems(site: Site) -> Iterator[Problem]:
    """Each thing without which nothing can be built or run, or not safely."""
    needed = {
        "kubernetes.registry": ("PORTAL_REGISTRY", site.registry),
        "kubernetes.builder": ("PORTAL_BUILDER_IMAGE", site.builder_image),
    }
    for id_, (variable, value) in needed.items():
        if not value:
            message = _("%(variable)s is not set.") % {"variable": variable}
            yield Problem(id_, message, _hint())
    for variable, why in {**site.unusable, **_wrong_login(site)}.items():
        message = _("%(variable)s cannot be used: %(why)s.")
        yield Problem(_IDS[variable], message % {"variable": variable, "why": why}, _hint())
    if dangers := ", ".join(_dangers(site.pod_template)):
        message = _("PORTAL_POD_TEMPLATE would open the node to notebooks: %(what)s.")
        hint = _("Take that out of the file: notebooks run what strangers wrote.")
        yield Problem("kubernetes.template", message % {"what": dangers}, hint)


def _hint() -> str:
    return _("See docs/kubernetes.md, “Settings”.")


def _wrong_login(site: Site) -> dict[str, str]:
    try:
        login(settings.PORTAL_REGISTRY_AUTH, site.registry_address)
    except ValueError as error:
        return {"PORTAL_REGISTRY_AUTH": _("it %(why)s") % {"why": error}}
    return {}


def _dangers(template: dict[str, Any]) -> Iterator[str]:
    """What a template adds that `merge` lets through and that takes the walls down.

    The notebook's own container is not looked at: what it may do is not the template's to say.
    """
    pod = template.get("spec")
    if not isinstance(pod, dict):
        return
    yield from (key for key in _OF_THE_NODE if pod.get(key))
    named = [*_named(pod.get("initContainers")), *_named(pod.get("containers"))]
    for name, container in named:
        rights = container.get("securityContext")
        if name != CONTAINER and isinstance(rights, dict) and rights.get("privileged"):
            yield _("privileged %(name)s") % {"name": name}


def _named(containers: object) -> Iterator[tuple[str, dict[str, Any]]]:
    for each in containers if isinstance(containers, list) else []:
        if isinstance(each, dict):
            yield str(each.get("name", "?")), each
