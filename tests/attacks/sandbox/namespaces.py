"""Mounts and namespaces: a new one would give back rights that the sandbox has taken away."""

from __future__ import annotations

from tests.attacks.programs import Program

KIND = "namespaces"
FLAGS = {
    "users": 0x10000000,
    "mounts": 0x00020000,
    "processes": 0x20000000,
    "the network": 0x40000000,
    "names of hosts": 0x04000000,
    "shared memory": 0x08000000,
    "control groups": 0x02000000,
    "time": 0x00000080,
}
_CHILD = """
import ctypes
args = (ctypes.c_ulonglong * 11)({flags}, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0)
child = call(435, args, 88)
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
return child
"""
MOUNTS = {
    "mount a file system in memory": "return call(165, b'x', b'/tmp', b'tmpfs', 0, 0) + 1",
    "mount the machine's disk": "return call(165, b'/dev/vda', b'/tmp', b'ext4', 0, 0) + 1",
    "mount another view of processes": "return call(165, b'proc', b'/tmp', b'proc', 0, 0) + 1",
    "bind a folder elsewhere": "return call(165, b'/etc', b'/tmp', b'', 4096, 0) + 1",
    "make the root writable": "return call(165, b'', b'/', b'', 32 | 4096, 0) + 1",
    "make the environment writable": "return call(165, b'', b'/opt', b'', 32 | 4096, 0) + 1",
    "unmount what hides files": "return call(166, b'/proc', 2) + 1",
    "exchange the root": "return call(155, b'/', b'/tmp') + 1",
    "change the root": "return call(161, b'/tmp') + 1",
    "open a file system by a descriptor": "return call(430, b'tmpfs', 0)",
    "pick a file system": "return call(433, -100, b'/', 0)",
    "copy a tree of mounts": "return call(428, -100, b'/', 1)",
    "move a mount": "return call(429, -100, b'/proc', -100, b'/tmp', 0) + 1",
    "change a mount's attributes":
        "return call(442, -100, b'/', 0, (ctypes.c_ulonglong * 4)(0, 1, 0, 0), 32) + 1",
    "list the mounts of the machine": "return [line for line in"
        " read('/proc/1/mountinfo').decode().splitlines() if ' / /work ' in line]",
}  # fmt: skip
ATTEMPTS = (
    *(
        Program(KIND, f"leave the namespace of {what}", f"return call(272, {flag}) + 1")
        for what, flag in FLAGS.items()
    ),
    Program(
        KIND,
        "begin a process in a namespace of users of its own",
        "child = call(56, 0x10000000 | 17, 0, 0, 0, 0)\n"
        "if child == 0:\n    os._exit(0)\n"
        "os.waitpid(child, 0)\nreturn child",
    ),
    Program(
        KIND,
        "begin a process in a namespace of users of its own (clone3)",
        _CHILD.format(flags=0x10000000),
    ),
    *(
        Program(
            KIND,
            f"enter process 1's namespace of {kind}",
            f"return call(308, os.open('/proc/1/ns/{kind}', os.O_RDONLY), 0) + 1",
        )
        for kind in ("user", "mnt", "net", "pid", "ipc")
    ),
    *(Program(KIND, name, program) for name, program in MOUNTS.items()),
)
