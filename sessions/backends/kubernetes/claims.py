"""People's volume claims in the cluster: made once, and told from others of the same name.

Who has a claim has its files. So one that the portal has not made counts as a person's only after
staff have said so: `adopt` then puts the portal's labels on it.
"""

from __future__ import annotations

from django.utils.translation import gettext as _

from sessions.errors import UserError

from .cluster import Cluster, Manifest
from .labels import KIND, MANAGED, OWNER, volume_labels, volume_name

KINDS = "persistentvolumeclaims"
OURS = (MANAGED, KIND, OWNER)


def ensure(cluster: Cluster, wanted: Manifest) -> Manifest | None:
    """Make the claim unless it is there; return the one that was. Raises `UserError` for one that
    is not the portal's."""
    name = wanted["metadata"]["name"]
    found = cluster.get(KINDS, name)
    if found is None:
        if cluster.create(KINDS, wanted):
            return None
        found = cluster.get(KINDS, name)  # somebody has made it just now
    if found is None or is_ours(found, wanted["metadata"]["labels"]):
        return found
    message = _(
        "The cluster has a volume claim “%(name)s” that this portal has not made, so nobody knows"
        " whether the files in it are yours, and the notebook was not started. Tell the staff:"
        " “manage.py adopt_volume” makes it yours."
    )
    raise UserError("spawn.volume-unknown", message % {"name": name})


def is_ours(found: Manifest, labels: Manifest) -> bool:
    """Return whether the claim has the labels by which the portal knows a person's volume."""
    there = found["metadata"].get("labels") or {}
    return all(there.get(label) == labels[label] for label in OURS)


def adopt(cluster: Cluster, volume: str) -> bool:
    """Have the claim of this volume's name count as its person's; False where there is none, or
    where it does already."""
    found = cluster.get(KINDS, volume_name(volume))
    labels = volume_labels(volume)
    if found is None or is_ours(found, labels):
        return False
    return cluster.patch(KINDS, volume_name(volume), {"metadata": {"labels": labels}})
