"""The part of the back end that works in people's volumes while no notebook does."""

from __future__ import annotations

import logging
from datetime import datetime

from sessions.backends import PersonFiles, ProjectSize
from sessions.backends.kubernetes.cluster import Cluster
from sessions.backends.kubernetes.namespace import Namespace, adopt_claim
from sessions.backends.kubernetes.site import Site
from sessions.errors import BackendRefuses, InternalError

from .filespods import FilesPods
from .helper_pods import HelperPods
from .remote import TURNS, unreachable

log = logging.getLogger(__name__)


class PeoplesVolumes:
    """Helper pods for projects' folders and people's files."""

    _cluster: Cluster
    _namespace: Namespace
    site: Site

    def open_files(self, name: str, volume: str) -> PersonFiles:
        """Return the files that a pod serves. Raises `NotYet` while it starts."""
        try:
            with TURNS.take(volume):
                return self._files_pods.open(name, volume)
        except (InternalError, BackendRefuses) as error:
            log.exception("a pod for files could not be made")
            raise unreachable(error) from error

    def adopt_volume(self, volume: str, owner_id: int) -> bool:
        """Label the claim as the person's; return False without one, or if it already is."""
        return adopt_claim(self._cluster, volume)

    def measure_project(self, name: str, volume: str) -> ProjectSize | None:
        """Return what a pod of its own has measured; None while it runs."""
        return self._helper_pods.measure(name, volume)

    def _sweep_helpers(self, now: datetime) -> None:
        self._helper_pods.sweep(now)
        self._files_pods.sweep(now)

    @property
    def _helper_pods(self) -> HelperPods:
        return HelperPods(self._cluster, self._namespace, self.site)

    @property
    def _files_pods(self) -> FilesPods:
        """Pages wait for these calls, so they have to be answered soon."""
        return FilesPods(self._cluster.hasty, self._namespace, self.site)
