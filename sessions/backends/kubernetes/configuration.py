"""What an operator has left out: said at start, by ``/health`` and on the pages of staff."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext as _

from sessions.backends import Problem

from .site import Site


def problems(site: Site) -> Iterator[Problem]:
    """Each thing without which nothing can be built or run."""
    needed = {
        "kubernetes.registry": ("PORTAL_REGISTRY", site.registry),
        "kubernetes.builder": ("PORTAL_BUILDER_IMAGE", site.builder_image),
    }
    for id_, (variable, value) in needed.items():
        if not value:
            message = _("%(variable)s is not set.") % {"variable": variable}
            yield Problem(id_, message, _("See docs/kubernetes.md, “Settings”."))
