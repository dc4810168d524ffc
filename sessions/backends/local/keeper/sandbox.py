"""Describe the sandbox as a command line of bubblewrap. Pure functions.

Inside, everything has a fixed place: the environment at /opt/env, the repository at /home/jovyan,
the tools at /opt/toolbox, what the keeper serves at /run/bindery. The only network is the sandbox's
own loopback, where a port leads to the keeper's proxy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .cgroups import Group
from .jobs import Bounds, Site
from .privileges import FOLDERS, TERMINALS

ENVIRONMENT = "/opt/env"
HOME = "/home/jovyan"
TOOLBOX = "/opt/toolbox"
SHARE = f"{TOOLBOX}/share"
INIT = "/run/init"
SHELL = "/bin/sh"
"""The machine's shell; the sandbox's first process runs a copy of it."""
IO_FOLDER = "/run/bindery"
EGRESS = f"{IO_FOLDER}/net"
PROXY_PORT = 3128
PROXY = f"http://127.0.0.1:{PROXY_PORT}"

# Only the parts of /etc that programs need: accounts, names and ssh are the sandbox's own.
_ETC = (
    "alternatives", "ca-certificates", "crypto-policies", "fonts", "ld.so.cache", "localtime",
    "mime.types", "pki", "ssl",
)  # fmt: skip
_OWN_ETC = ("group", "hosts", "nsswitch.conf", "passwd", "ssh/ssh_config")

# The first process in a sandbox is a shell: it reaps the program and orphaned processes, and exits
# with the program's status. Its file can be executed but not read, so the kernel shows nobody its
# memory, environment and open files. A command after the program keeps the shell from replacing
# itself with it.
_INIT_COMMAND = (INIT, "-c", '"$@"; exit $?', "init")
# A sandbox ends with its keeper from here on; only the socket tells whether that died earlier.
# Open the way to the proxy before the command begins, and wait for it: 2 s at most.
_PROXY_SCRIPT = f"""
socat -u /dev/null UNIX-CONNECT:{EGRESS} || exit
socat TCP4-LISTEN:{PROXY_PORT},bind=127.0.0.1,fork,reuseaddr,max-children=100 \\
    UNIX-CONNECT:{EGRESS} 2>/dev/null &
for try in $(seq 400); do
    socat -u /dev/null TCP4:127.0.0.1:{PROXY_PORT} 2>/dev/null && break
    sleep 0.005
done
exec "$@"
"""


@dataclass(frozen=True)
class Bind:
    """A folder or file of the machine, shown in the sandbox at ``target``."""

    source: str
    target: str
    writable: bool = False
    optional: bool = False


@dataclass(frozen=True)
class Sandbox:
    """One sandbox: what is visible in it besides the system, and its variables.

    ``scratch`` limits its in-memory folders (/tmp, /dev/shm, /run), in bytes each, and ``memory``
    is a folder of the machine in which those are mounted; with "" bubblewrap mounts them, which
    cannot limit their number of files. ``files`` maps paths inside to texts that exist nowhere
    outside; ``links`` maps paths inside to link targets. ``group`` counts its memory.
    """

    hostname: str
    binds: Sequence[Bind]
    site: Site
    bounds: Bounds
    scratch: int
    workdir: str = HOME
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict, repr=False)
    links: Mapping[str, str] = field(default_factory=dict)
    memory: str = ""
    group: Group | None = None


@dataclass(frozen=True)
class Descriptors:
    """Descriptors from which bubblewrap reads.

    The program of the first process, the seccomp filter if there is one, and the sandbox's
    ``files`` by path.
    """

    init: int
    seccomp: int | None = None
    files: Mapping[str, int] = field(default_factory=dict)

    def all(self) -> list[int]:
        """Return all descriptors."""
        one = () if self.seccomp is None else (self.seccomp,)
        return [self.init, *one, *self.files.values()]


def arguments(sandbox: Sandbox, descriptors: Descriptors) -> list[str]:
    """Return the options of bubblewrap for this sandbox."""
    return [
        *_isolation(sandbox.hostname),
        *(() if descriptors.seccomp is None else ("--seccomp", str(descriptors.seccomp))),
        "--proc", "/proc", "--dev", "/dev",
        *_memory_mounts(sandbox),
        *_file_from_descriptor(descriptors.init, INIT, "0111"),
        *_system(sandbox.site),
        *(word for bind in sandbox.binds for word in _bind_options(bind)),
        *(word for path, place in sandbox.links.items() for word in ("--symlink", place, path)),
        *_private_files(descriptors.files),
        "--remount-ro", "/dev", "--remount-ro", "/",
        *_variables(sandbox),
        "--chdir", sandbox.workdir,
    ]  # fmt: skip


def command(bounds: Bounds, argv: Sequence[str]) -> list[str]:
    """Return ``argv`` with limits for each process, and with the way to the proxy opened.

    The limits are set inside: the number of processes is counted per user namespace.
    """
    limits = [
        f"--nproc={bounds.processes}",
        f"--data={bounds.memory}",
        "--core=0",
    ]
    if bounds.disk:
        limits.append(f"--fsize={bounds.disk}")
    return [*_INIT_COMMAND, "prlimit", *limits, "--", "sh", "-c", _PROXY_SCRIPT, "sh", *argv]


def _isolation(hostname: str) -> list[str]:
    return [
        "--unshare-user", "--uid", "1000", "--gid", "1000", "--disable-userns",
        "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net",
        "--unshare-cgroup-try", "--hostname", hostname,
        "--die-with-parent", "--as-pid-1", "--new-session", "--clearenv",
    ]  # fmt: skip


def _memory_mounts(sandbox: Sandbox) -> list[str]:
    if sandbox.memory:
        binds = [Bind(f"{sandbox.memory}/{name}", at, True) for name, at in FOLDERS.items()]
        terminals = ("--dev-bind", f"{sandbox.memory}/{TERMINALS}", "/dev/pts")
        return [*(word for bind in binds for word in _bind_options(bind)), *terminals]
    size = ["--size", str(sandbox.scratch)]
    modes = {"/run": "0755"}
    return [
        word
        for at in FOLDERS.values()
        for word in (*size, "--perms", modes.get(at, "1777"), "--tmpfs", at)
    ]


def _system(site: Site) -> list[str]:
    binds = [Bind("/usr", "/usr")]
    binds += [Bind(f"/etc/{name}", f"/etc/{name}", optional=True) for name in _ETC]
    binds += [Bind(f"{site.toolbox}/share/etc/{name}", f"/etc/{name}") for name in _OWN_ETC]
    binds += [Bind(path, path, optional=True) for path in site.files]
    return [
        *(word for bind in binds for word in _bind_options(bind)),
        "--symlink", "usr/bin", "/bin", "--symlink", "usr/sbin", "/sbin",
        "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64",
    ]  # fmt: skip


def _bind_options(bind: Bind) -> list[str]:
    option = "--bind" if bind.writable else "--ro-bind"
    return [f"{option}-try" if bind.optional else option, bind.source, bind.target]


def _private_files(files: Mapping[str, int]) -> list[str]:
    """Return the options for files that the sandbox's user alone can read."""
    return [
        word for path, file in files.items() for word in _file_from_descriptor(file, path, "0600")
    ]


def _file_from_descriptor(descriptor: int, path: str, mode: str) -> list[str]:
    return ["--perms", mode, "--ro-bind-data", str(descriptor), path]


def _variables(sandbox: Sandbox) -> list[str]:
    variables = {
        "HOME": HOME,
        "USER": "jovyan",
        "LOGNAME": "jovyan",
        "SHELL": "/bin/bash",
        "LANG": "C.UTF-8",
        "PATH": f"{HOME}/.local/bin:{ENVIRONMENT}/bin:/usr/local/bin:/usr/bin:/bin",
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), PROXY),
        **dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), PROXY),
        **sandbox.site.environment,
        **sandbox.environment,
    }
    return [word for name, value in variables.items() for word in ("--setenv", name, value)]
