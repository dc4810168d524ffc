"""The part of the back end that works in people's volumes while no notebook does."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _

from sessions.backends import PersonFiles, ProjectSize
from sessions.backends.kubernetes.cluster import Cluster
from sessions.backends.kubernetes.namespace import Namespace
from sessions.backends.kubernetes.site import Site
from sessions.errors import NotAllowed

from .helper_pods import HelperPods


class PeoplesVolumes:
    """Helper pods for projects' folders."""

    _cluster: Cluster
    _namespace: Namespace
    site: Site

    def open_files(self, name: str, volume: str) -> PersonFiles:
        """Raise `NotAllowed`: volumes are mounted in pods alone."""
        message = _("Start the notebook, in safe mode if need be, and use its file browser.")
        raise NotAllowed("files.unavailable", message)

    def measure_project(self, name: str, volume: str) -> ProjectSize | None:
        """Return what a pod of its own has measured; None while it runs."""
        return self._helper_pods.measure(name, volume)

    def _sweep_helpers(self, now: datetime) -> None:
        self._helper_pods.sweep(now)

    @property
    def _helper_pods(self) -> HelperPods:
        return HelperPods(self._cluster, self._namespace, self.site)
