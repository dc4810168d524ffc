"""An operator's own part of a pod, put under the portal's: what the portal says stays said."""

from __future__ import annotations

from typing import Any


def merged(template: Any, ours: Any) -> Any:
    """``ours`` with everything that only ``template`` has.

    Mappings are merged key by key; lists of named things (containers, volumes, variables) by
    their names; other lists are joined. Where both have a value, ``ours`` is the one.
    """
    if isinstance(template, dict) and isinstance(ours, dict):
        both = {key: merged(template[key], ours[key]) for key in template.keys() & ours.keys()}
        return {**template, **ours, **both}
    if isinstance(template, list) and isinstance(ours, list):
        return _joined(template, ours)
    return ours


def _joined(template: list[Any], ours: list[Any]) -> list[Any]:
    theirs = {item["name"]: item for item in template if _is_named(item)}
    known = {item["name"] for item in ours if _is_named(item)}
    more = [item for item in template if not _is_named(item) or item["name"] not in known]
    return [_of_same_name(theirs, item) for item in ours] + more


def _of_same_name(theirs: dict[str, Any], item: Any) -> Any:
    return merged(theirs.get(item["name"], {}), item) if _is_named(item) else item


def _is_named(item: Any) -> bool:
    return isinstance(item, dict) and "name" in item
