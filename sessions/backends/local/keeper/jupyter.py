"""JupyterLab in its sandbox: command, variables, configuration and requests to it.

Pure functions, except `send_request`, which sends one HTTP request to the notebook's unix socket.
"""

from __future__ import annotations

import asyncio

from sessions import gitsettings, jupyter

from .jobs import ServerJob
from .sandbox import ENVIRONMENT, HOME, IO_FOLDER, Bind

_SECONDS = 5


async def send_request(socket: str, method: str, path: str, token: str) -> int:
    """Send an empty request and return the answer's status; 0 if none comes in 5 seconds.

    ``socket`` is the path of the notebook's socket, ``token`` the one of `configuration`.
    """
    try:
        async with asyncio.timeout(_SECONDS):
            return await _send(socket, f"{method} {path}", token)
    except (OSError, TimeoutError, ValueError, IndexError):
        return 0


async def _send(socket: str, request: str, token: str) -> int:
    reader, writer = await asyncio.open_unix_connection(socket)
    try:
        head = f"{request} HTTP/1.1\r\nHost: localhost\r\nAuthorization: token {token}\r\n"
        writer.write(f"{head}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
        return int((await reader.readline()).split()[1])
    finally:
        writer.close()


CONFIG = "/run/jupyter-config"
SOCKET = "lab"
_NO_PROXY = "localhost,127.0.0.1,::1"
STATUS = "/api/status"
SHUTDOWN = "/api/shutdown"

# Python searches a package folder only if it exists when Python starts. The repository's start
# script, if there still is one, runs the command that it is given.
_START = """
mkdir -p "$1" 2>/dev/null
shift
if [ -f "$1" ]; then chmod +x "$1"; else shift; fi
exec "$@"
"""


def command(python: str, start: str) -> list[str]:
    """Return the command that runs JupyterLab.

    ``python`` is the environment's version, such as ``3.12``. ``start`` is the path of the
    repository's start script in it, "" if it has none.
    """
    lab = [f"{ENVIRONMENT}/bin/jupyter-lab", "--no-browser"]
    script = f"{HOME}/{start}" if start else ""
    return ["sh", "-c", _START, "sh", user_site_packages(python), script, *lab]


def user_site_packages(python: str) -> str:
    """Return where packages go that the person installs: the environment itself is read-only."""
    return f"{HOME}/.local/lib/python{python}/site-packages"


def configuration(token: str) -> dict[str, str]:
    """Return the configuration files by their paths; requests must carry ``token``."""
    return jupyter.config_files(
        {
            "IdentityProvider.token": token,
            "ServerApp.sock": f"{IO_FOLDER}/{SOCKET}",
            "ServerApp.sock_mode": "0600",
            "ServerApp.root_dir": HOME,
            "ServerApp.allow_remote_access": True,
            "KernelManager.transport": "ipc",
        },
        CONFIG,
    )


def binds(job: ServerJob, home: str, io_folder: str, config: str) -> list[Bind]:
    """Return the notebook's mounts; only its own files and the person's volume are writable.

    ``home``, ``io_folder`` and ``config`` are paths outside the sandbox.
    """
    return [
        Bind(f"{job.environment}/env", ENVIRONMENT),
        Bind(home, HOME, writable=True),
        Bind(job.volume, volume_target(job.owner), writable=True),
        Bind(io_folder, IO_FOLDER, writable=True),
        Bind(config, CONFIG),
    ]


def links(job: ServerJob) -> dict[str, str]:
    """Return links from the volume's paths under the person's former names to the current one."""
    return {volume_target(name): volume_target(job.owner) for name in job.former}


def volume_target(owner: str) -> str:
    """Return the path in the sandbox of the volume of the person named ``owner``."""
    return f"/home/{owner}-nfs-pvc"


def variables(job: ServerJob) -> dict[str, str]:
    """Return the environment variables of the notebook."""
    return {
        "JUPYTER_CONFIG_PATH": CONFIG,
        "JUPYTER_RUNTIME_DIR": "/run/jupyter",
        "JUPYTERHUB_USER": job.owner,
        "BINDER_REPO_URL": job.url,
        gitsettings.VARIABLE: f"{CONFIG}/{gitsettings.FILE}",
        "REPO_DIR": HOME,
        "NB_PYTHON_PREFIX": ENVIRONMENT,
        "KERNEL_PYTHON_PREFIX": ENVIRONMENT,
        "CPU_LIMIT": f"{job.cpus:g}",
        "MEM_LIMIT": str(job.bounds.memory),
        "OMP_NUM_THREADS": str(max(1, int(job.cpus))),
        "PIP_PREFIX": f"{HOME}/.local",
        "NO_PROXY": _NO_PROXY,
        "no_proxy": _NO_PROXY,
    }
