"""Numbers of the system calls that sandboxes do without, for each machine that is known.

`seccomp` makes the filter of them. The names are those of the kernel's own tables
(``arch/x86/entry/syscalls/syscall_64.tbl``, ``scripts/syscall.tbl``); a call that a machine has
not is not in its column.
"""

from __future__ import annotations

from types import MappingProxyType

NEWEST = 456
"""The last call that was looked at (futex_requeue, Linux 6.7); the number is the same for both."""

_X86_64 = {
    "clone": 56, "clone3": 435, "io_setup": 206, "memfd_create": 319, "mmap": 9, "personality": 135,
    "prctl": 157, "ptrace": 101, "seccomp": 317, "semget": 64, "setsockopt": 54, "shmget": 29,
    "socket": 41, "socketpair": 53, "_sysctl": 156, "acct": 163, "add_key": 248, "afs_syscall": 183,
    "bpf": 321, "chroot": 161, "clock_settime": 227, "create_module": 174, "delete_module": 176,
    "epoll_ctl_old": 214, "epoll_wait_old": 215, "fanotify_init": 300, "finit_module": 313,
    "fsconfig": 431, "fsmount": 432, "fsopen": 430, "fspick": 433, "get_kernel_syms": 177,
    "get_mempolicy": 239, "getpmsg": 181, "init_module": 175, "io_uring_enter": 426,
    "io_uring_register": 427, "io_uring_setup": 425, "ioperm": 173, "iopl": 172, "kcmp": 312,
    "kexec_file_load": 320, "kexec_load": 246, "keyctl": 250, "lookup_dcookie": 212, "mbind": 237,
    "memfd_secret": 447, "migrate_pages": 256, "modify_ldt": 154, "mount": 165,
    "mount_setattr": 442, "move_mount": 429, "move_pages": 279, "msgget": 68, "nfsservctl": 180,
    "open_by_handle_at": 304, "open_tree": 428, "perf_event_open": 298, "pidfd_getfd": 438,
    "pivot_root": 155, "process_madvise": 440, "putpmsg": 182, "query_module": 178, "quotactl": 179,
    "quotactl_fd": 443, "reboot": 169, "request_key": 249, "security": 185, "set_mempolicy": 238,
    "set_mempolicy_home_node": 450, "setdomainname": 171, "sethostname": 170, "setns": 308,
    "settimeofday": 164, "swapoff": 168, "swapon": 167, "sysfs": 139, "syslog": 103, "tuxcall": 184,
    "umount2": 166, "unshare": 272, "uselib": 134, "userfaultfd": 323, "ustat": 136, "vhangup": 153,
    "vserver": 236,
}  # fmt: skip
_AARCH64 = {
    "clone": 220, "clone3": 435, "io_setup": 0, "memfd_create": 279, "mmap": 222, "personality": 92,
    "prctl": 167, "ptrace": 117, "seccomp": 277, "semget": 190, "setsockopt": 208, "shmget": 194,
    "socket": 198, "socketpair": 199, "acct": 89, "add_key": 217, "bpf": 280, "chroot": 51,
    "clock_settime": 112, "delete_module": 106, "fanotify_init": 262, "finit_module": 273,
    "fsconfig": 431, "fsmount": 432, "fsopen": 430, "fspick": 433, "get_mempolicy": 236,
    "init_module": 105, "io_uring_enter": 426, "io_uring_register": 427, "io_uring_setup": 425,
    "kcmp": 272, "kexec_file_load": 294, "kexec_load": 104, "keyctl": 219, "lookup_dcookie": 18,
    "mbind": 235, "memfd_secret": 447, "migrate_pages": 238, "mount": 40, "mount_setattr": 442,
    "move_mount": 429, "move_pages": 239, "msgget": 186, "nfsservctl": 42, "open_by_handle_at": 265,
    "open_tree": 428, "perf_event_open": 241, "pidfd_getfd": 438, "pivot_root": 41,
    "process_madvise": 440, "quotactl": 60, "quotactl_fd": 443, "reboot": 142, "request_key": 218,
    "set_mempolicy": 237, "set_mempolicy_home_node": 450, "setdomainname": 162, "sethostname": 161,
    "setns": 268, "settimeofday": 170, "swapoff": 225, "swapon": 224, "syslog": 116, "umount2": 39,
    "unshare": 97, "userfaultfd": 282, "vhangup": 58,
}  # fmt: skip

MACHINES = MappingProxyType({"x86_64": _X86_64, "aarch64": _AARCH64})
"""By what `os.uname` calls a machine."""
DENIED = frozenset(_X86_64) - {
    "clone", "clone3", "io_setup", "memfd_create", "mmap", "personality", "prctl", "ptrace",
    "seccomp", "semget", "setsockopt", "shmget", "socket", "socketpair",
}  # fmt: skip
"""Refused whatever their arguments are: what Docker's default profile leaves out for a container
without capabilities, and besides it what shares memory that no limit counts (msgget,
memfd_secret), and what has often been the way into a kernel (modify_ldt, io_uring)."""
