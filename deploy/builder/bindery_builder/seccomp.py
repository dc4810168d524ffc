"""Make the seccomp filter for the steps of a build: the system's, minus what no step needs.

The container itself has none, because buildah could not work; its steps have one, which they cannot
remove. Keyrings and io_uring belong to the machine and not to the pod, and sockets between virtual
machines bypass its network.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .buildspec import BuildSpec

SYSTEM = Path("/usr/share/containers/seccomp.json")
"""The filter that comes with buildah."""
DENIED = frozenset({
    "add_key", "io_uring_enter", "io_uring_register", "io_uring_setup", "keyctl", "request_key",
    "socketcall", "userfaultfd",
})  # fmt: skip
"""``socketcall`` is another way to call `socket`; no filter can see its address families."""
UNIX, INET, INET6, NETLINK = 1, 2, 10, 16
_AUDIT = 9


def options(spec: BuildSpec) -> list[str]:
    """Return the options with which buildah sets the filter; none if the system has no filter."""
    if not SYSTEM.exists():
        return []
    path = spec.work / "seccomp.json"
    path.write_text(json.dumps(restrict(json.loads(SYSTEM.read_text()))))
    return ["--security-opt", f"seccomp={path}"]


def restrict(profile: dict[str, Any]) -> dict[str, Any]:
    """Return the profile without the refused calls, and with sockets of the usual families only."""
    gone = DENIED | {"socket"}
    groups = [
        {**group, "names": names}
        for group in profile["syscalls"]
        if (names := [name for name in group["names"] if name not in gone])
    ]
    return {**profile, "syscalls": [*groups, *_socket_rules()]}


def _socket_rules() -> list[dict[str, Any]]:
    netlink = [_argument_condition(0, NETLINK, "EQ"), _argument_condition(2, _AUDIT, "NE")]
    plain = [[_argument_condition(0, family, "EQ")] for family in (UNIX, INET, INET6)]
    return [
        {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": arguments}
        for arguments in (*plain, netlink)
    ]


def _argument_condition(index: int, value: int, how: str) -> dict[str, Any]:
    return {"index": index, "value": value, "valueTwo": 0, "op": f"SCMP_CMP_{how}"}
