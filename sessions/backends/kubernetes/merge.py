"""Merge an operator's pod template under the portal's manifest, which always wins.

The portal alone decides what the pod and its own container may do: a template cannot add a
capability there. Other containers, and pod-level keys that only the template has, are merged in;
`preflight` reports those that would undo the portal's restrictions.
"""

from __future__ import annotations

from typing import Any

_WHOLE = {"securityContext"}
"""Keys whose value is not merged: an addition would widen what the portal restricts."""
_THEIRS_FIRST = {"initContainers"}
"""Keys of lists whose order matters: an operator's part prepares what ours needs, such as a volume
whose folders belong to somebody else."""


def merged(template: Any, ours: Any) -> Any:
    """Return ``ours`` with everything that only ``template`` has.

    Mappings are merged key by key; lists of named things (containers, volumes, variables) by name;
    other lists are concatenated, ours first except for `_THEIRS_FIRST`. If both have a value,
    ``ours`` wins. A `_WHOLE` key is taken from ours alone.
    """
    if isinstance(template, dict) and isinstance(ours, dict):
        shared = (template.keys() & ours.keys()) - _WHOLE
        both = {key: merged(template[key], ours[key]) for key in shared - _THEIRS_FIRST}
        for key in shared & _THEIRS_FIRST:
            both[key] = _joined(template[key], ours[key], theirs_first=True)
        return {**template, **ours, **both}
    if isinstance(template, list) and isinstance(ours, list):
        return _joined(template, ours)
    return ours


def _joined(template: Any, ours: list[Any], *, theirs_first: bool = False) -> list[Any]:
    if not isinstance(template, list):
        return ours
    theirs = {item["name"]: item for item in template if _is_named(item)}
    known = {item["name"] for item in ours if _is_named(item)}
    more = [item for item in template if not _is_named(item) or item["name"] not in known]
    both = [_of_same_name(theirs, item) for item in ours]
    return more + both if theirs_first else both + more


def _of_same_name(theirs: dict[str, Any], item: Any) -> Any:
    return merged(theirs.get(item["name"], {}), item) if _is_named(item) else item


def _is_named(item: Any) -> bool:
    return isinstance(item, dict) and "name" in item
