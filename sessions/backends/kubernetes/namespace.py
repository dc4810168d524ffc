"""Own the namespace's objects by installation id, people's volume claims among them.

A ConfigMap holds the id, and each of our objects carries it as a label. An object with another id
belongs to another portal: it is listed, and left alone. An object without one was made before there
were ids.

Whoever has a volume claim has its files. So a claim that the portal has not made counts as a
person's only after staff have said so: `adopt_claim` then puts the portal's labels on it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from django.utils.translation import gettext as _

from sessions.backends import Inventory, SetAsideItem
from sessions.errors import BackendRefuses, BinderyError, NotAllowed, TemporaryError, UserError

from .cluster import Cluster, Manifest
from .labels import (
    BUILD,
    BUILDS,
    INSTALLATION,
    KIND,
    MANAGED,
    OURS,
    OWNER,
    PROJECT,
    SERVERS,
    SESSION,
    VOLUMES,
    volume_labels,
    volume_name,
)
from .podstatus import label, number_label

CLAIMS = "persistentvolumeclaims"
CLAIM_LABELS = (MANAGED, KIND, OWNER)


def ensure_claim(cluster: Cluster, claim: Manifest) -> Manifest | None:
    """Create the claim unless it exists; return the existing one, or None.

    Raises `UserError` if the existing one is not the portal's.
    """
    name = claim["metadata"]["name"]
    found = cluster.get(CLAIMS, name)
    if found is None:
        if cluster.create(CLAIMS, claim):
            return None
        found = cluster.get(CLAIMS, name)  # another process has just created it
    if found is None or is_our_claim(found, claim["metadata"]["labels"]):
        return found
    message = _(
        "The cluster has a volume claim “%(name)s” that this portal did not create. Its files may "
        "not be yours, so the notebook was not started. Tell the staff: “manage.py adopt_volume” "
        "makes it yours."
    )
    raise UserError("spawn.volume-unknown", message % {"name": name})


def is_our_claim(found: Manifest, labels: Manifest) -> bool:
    """Return whether the claim has the labels by which the portal knows a person's volume."""
    there = found["metadata"].get("labels") or {}
    return all(there.get(label) == labels[label] for label in CLAIM_LABELS)


def adopt_claim(cluster: Cluster, volume: str) -> bool:
    """Make the claim with this volume's name its person's.

    Return False if there is none, or if it already is theirs.
    """
    found = cluster.get(CLAIMS, volume_name(volume))
    labels = volume_labels(volume)
    if found is None or is_our_claim(found, labels):
        return False
    return cluster.patch(CLAIMS, volume_name(volume), {"metadata": {"labels": labels}})


CONFIGMAP = "bindery-installation"
ID_CACHE_SECONDS = 10.0
"""How long an id is cached: adopting changes the database, not this process."""
LABELLED_KINDS = ("pods", "secrets", "persistentvolumeclaims")


class Namespace:
    """The namespace and the installation it belongs to; ``cluster`` returns its API."""

    def __init__(self, cluster: Callable[[], Cluster]) -> None:
        self._cluster = cluster
        self._known = ""
        self._until = 0.0

    def id(self) -> str:
        """Return the installation id of the namespace, "" if it has none.

        Raises `NotAllowed` where the portal may not look, and `TemporaryError` while nobody can
        say.
        """
        if time.monotonic() >= self._until:
            try:
                found = self._cluster().get("configmaps", CONFIGMAP)
            except BackendRefuses as error:
                raise _not_allowed(error) from error
            self._known = str((found or {}).get("data", {}).get("id", ""))
            self._until = time.monotonic() + (ID_CACHE_SECONDS if self._known else 1)
        return self._known

    def ensure_id(self, installation_id: str) -> str:
        """Give the namespace this id unless it has one; return the one that it has now.

        Raises what `id` raises.
        """
        manifest = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": CONFIGMAP, "labels": dict([OURS.split("=")])},
            "data": {"id": installation_id},
        }
        try:
            self._cluster().create("configmaps", manifest)
        except BackendRefuses as error:
            raise _not_allowed(error) from error
        self._until = 0.0
        return self.id()

    def last_known_id(self) -> str:
        """Return the id, or the one last read if it cannot be read now."""
        try:
            return self.id()
        except BinderyError:
            return self._known

    def labels(self) -> dict[str, str]:
        """Return the labels to put on every object that is made."""
        mine = self.last_known_id()
        return {INSTALLATION: mine} if mine else {}

    def is_foreign(self, thing: Manifest) -> bool:
        """Return whether the object belongs to another installation; False while nobody knows."""
        other = label(thing, INSTALLATION)
        return bool(other) and other != (self.last_known_id() or other)

    def require_own(self, there: Manifest | None) -> None:
        """Raise `TemporaryError` if the existing object belongs to another portal."""
        if there and self.is_foreign(there):
            message = _(
                "Another portal already has %(name)s in this namespace. Tell the staff, who can "
                "fix this."
            )
            words = {"name": there["metadata"]["name"]}
            raise TemporaryError("kubernetes.foreign", message % words)

    def exclude_foreign(self, things: list[Manifest]) -> list[Manifest]:
        """Return the objects that do not belong to another installation."""
        return [thing for thing in things if not self.is_foreign(thing)]

    def inventory(self) -> Inventory:
        """Return what objects stand for, without other installations'. Raises as `id`."""
        runs = [*self._list("secrets", SERVERS), *self._list("pods", SERVERS)]
        claims = self._list("persistentvolumeclaims", VOLUMES)
        return Inventory(
            projects=frozenset(label(each, PROJECT) for each in runs),
            volumes=frozenset(label(each, OWNER) for each in claims),
            sessions=frozenset(_numbers(runs, SESSION)),
            builds=frozenset(_numbers(self._list("pods", BUILDS), BUILD)),
        )

    def foreign(self) -> list[str]:
        """Return other installations' objects, as ``kind name (id)``."""
        selector = f"{OURS},{INSTALLATION}"
        found = []
        for kind in LABELLED_KINDS:
            for each in self._cluster().list(kind, {"labelSelector": selector}).items:
                if self.is_foreign(each):
                    about = f"{each['metadata']['name']} ({label(each, INSTALLATION)})"
                    found.append(f"{kind} {about}")
        return sorted(found)

    def assign_installation(self, known: Inventory) -> None:
        """Put the namespace's id on objects that have none but a row in ``known``.

        Does nothing while the id is not known. Raises `TemporaryError` if the cluster is away.
        """
        change: Manifest = {"metadata": {"labels": self.labels()}}
        for kind in LABELLED_KINDS if self.last_known_id() else ():
            selector = f"{OURS},!{INSTALLATION}"
            for each in self._cluster().list(kind, {"labelSelector": selector}).items:
                if _is_known(each, known):
                    self._cluster().patch(kind, each["metadata"]["name"], change)

    def _list(self, kind: str, selector: str) -> list[Manifest]:
        try:
            return self.exclude_foreign(
                self._cluster().list(kind, {"labelSelector": selector}).items
            )
        except BackendRefuses as error:
            raise _not_allowed(error) from error


def _is_known(thing: dict[str, Any], known: Inventory) -> bool:
    """Return whether a row exists: by its number, or for things without one, by the person."""
    for key, numbers in ((SESSION, known.sessions), (BUILD, known.builds)):
        if label(thing, key):
            return any(number in numbers for number in _numbers([thing], key))
    return label(thing, OWNER) in known.volumes


def _numbers(things: list[Manifest], key: str) -> Iterator[int]:
    """Yield the numbers in a label; skip values that somebody else wrote."""
    for thing in things:
        if (number := number_label(thing, key)) is not None:
            yield number


def _not_allowed(error: BackendRefuses) -> NotAllowed:
    message = _("The portal may not read who owns the objects in its namespace: %(why)s")
    return NotAllowed("kubernetes.rights", message % {"why": error.message})


class OwnedNamespace:
    """The part of the back end that is about whose objects are in the namespace.

    Nothing is ever set aside: objects end with their runs.
    """

    _cluster: Cluster
    _namespace: Namespace

    def _own_objects(self, kind: str, selector: str) -> list[Manifest]:
        found = self._cluster.list(kind, {"labelSelector": selector})
        return self._namespace.exclude_foreign(found.items)

    def installation(self) -> str:
        """Return the id on the namespace, "" if it has none. Raises as in `Backend`."""
        return self._namespace.id()

    def ensure_installation(self, installation_id: str) -> str:
        """Give the namespace this id unless it has one; return the id that it has now."""
        return self._namespace.ensure_id(installation_id)

    def inventory(self) -> Inventory:
        """Return what the namespace's Secrets, pods and claims stand for."""
        return self._namespace.inventory()

    def foreign(self) -> list[str]:
        """Return other installations' objects, as ``kind name (id)``."""
        return self._namespace.foreign()

    def assign_installation(self, known: Inventory) -> None:
        """Put the namespace's id on objects that have none but a row in ``known``.

        Raises as in `Backend`.
        """
        self._namespace.assign_installation(known)

    def set_aside(self, name: str) -> None:
        """Do nothing: a project's objects belong to its runs and end with them."""

    def set_aside_items(self) -> list[SetAsideItem]:
        """Return nothing, as nothing is set aside here."""
        return []

    def set_aside_size(self, item_id: str) -> int | None:
        """Return None, as nothing is set aside here."""
        return None

    def put_back(self, item_id: str) -> None:
        """Do nothing, as in `set_aside`."""

    def remove_set_aside(self, item_id: str) -> None:
        """Do nothing, as in `set_aside`."""
