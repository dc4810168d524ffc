"""An operator's own part of a pod, put under the portal's: what the portal says stays said.

What a pod and the portal's own container may do is the portal's word alone: a template can add
no capability there. Containers and rights of the pod that only the template has are merged in
like everything else; `preflight` names those that would undo the portal's.
"""

from __future__ import annotations

from typing import Any

_WHOLE = {"securityContext"}
"""Keys whose value is not merged: what a template adds there would widen what ours narrows."""
_THEIRS_FIRST = {"initContainers"}
"""Keys of lists in whose order things happen: an operator's part prepares what ours needs, such as
a volume whose folders belong to somebody else."""


def merged(template: Any, ours: Any) -> Any:
    """``ours`` with everything that only ``template`` has.

    Mappings are merged key by key; lists of named things (containers, volumes, variables) by
    their names; other lists are joined. Ours stands first, but for `_THEIRS_FIRST`. Where both
    have a value, ``ours`` is the one. Of a `_WHOLE` key, ours is all there is.
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
