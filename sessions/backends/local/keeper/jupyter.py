"""Describe JupyterLab in its sandbox: command, variables, mounts and configuration.

Pure functions, except `write_configuration`. `probe` sends requests to it.
"""

from __future__ import annotations

import os
from pathlib import Path

from sessions import jupyter

from .jobs import ServerJob
from .sandbox import ENVIRONMENT, HOME, IO_FOLDER, Bind

CONFIG = "/run/jupyter-config"
USER_SITE_FILE = "bindery.pth"
"""The file in an environment that adds packages in the person's home to the search path."""
SOCKET = "lab"
BEGUN = "begun"
"""A file in `IO_FOLDER`: JupyterLab's own program was run. The notebook may make it, too."""
_NO_PROXY = "localhost,127.0.0.1,::1"

# Python searches a package folder only if it exists when Python starts. The repository's start
# script, if there still is one, runs the command that it is given.
_START = """
mkdir -p "$1" 2>/dev/null
shift
if [ -f "$1" ]; then chmod +x "$1"; else shift; fi
exec "$@"
"""
# The script as it was built lies in a folder that nothing can write into.
_START_AS_BUILT = """
if cp "$1" "$2" 2>/dev/null; then chmod +x "$2"; shift; else shift 2; fi
exec "$@"
"""
_BUILT_HOME = "/run/built"
_COPIED_START = "/tmp/bindery-start"
_JUPYTER = f'true >{IO_FOLDER}/{BEGUN} 2>/dev/null; exec "$@"'


def command(
    python: str, start: str, *, runs_start: bool = True, as_built: bool = False
) -> list[str]:
    """Return the command that runs JupyterLab.

    ``python`` is the environment's version, such as ``3.12``. ``start`` is the path of the
    repository's start script in it, "" if it has none; safe mode leaves the script out unless it
    ``runs_start``. The script is the one in the person's files, or the one ``as_built``.
    """
    lab = ["sh", "-c", _JUPYTER, "sh", f"{ENVIRONMENT}/bin/jupyter-lab", "--no-browser"]
    if not runs_start:
        return lab
    if as_built:
        words = ["sh", "-c", _START_AS_BUILT, "sh", f"{_BUILT_HOME}/{start}", _COPIED_START]
        return [*words, *lab] if start else lab
    script = f"{HOME}/{start}" if start else ""
    return ["sh", "-c", _START, "sh", user_site_packages(python), script, *lab]


def user_site_packages(python: str) -> str:
    """Return where packages go that the person installs: the environment itself is read-only."""
    return f"{HOME}/.local/lib/python{python}/site-packages"


def user_site_line(python: str) -> str:
    """Return the text of `USER_SITE_FILE`, which Python runs: ``PYTHONNOUSERSITE`` counts for it.

    So the person's packages stay away in safe mode, and the repository's in a build's trial.
    """
    folder = user_site_packages(python)
    return f"import site, sys; sys.flags.no_user_site or site.addsitedir({folder!r})\n"


def configuration(job: ServerJob) -> dict[str, str]:
    """Return the text of each of the server's configuration files, by its path below `CONFIG`."""
    values = {
        "ServerApp.sock": f"{IO_FOLDER}/{SOCKET}",
        "ServerApp.sock_mode": "0600",
        "ServerApp.ip": "localhost",  # with a socket, it refuses all other values than the default
        "ServerApp.port": 8888,
        "ServerApp.root_dir": HOME,
        "ServerApp.allow_remote_access": True,
        "KernelManager.transport": "ipc",
    }
    return jupyter.config_files(
        job.token, values, CONFIG, job.safe_mode, keeps_start=job.keeps_start
    )


def write_configuration(folder: Path, job: ServerJob, *, has_key: bool = False) -> None:
    """Write the configuration files to ``folder``, which the sandbox shows at `CONFIG`.

    ``has_key`` is whether git can use the person's SSH key.
    """
    git = jupyter.git_settings(job.author, job.email, has_key=has_key)
    for name, text in {**configuration(job), jupyter.GIT_FILE: git}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(0o600)
        path.write_text(text)


def hidden_files(job: ServerJob, python: str) -> dict[str, str]:
    """Return texts that replace files of the environment in safe mode, by their path inside.

    In older environments, `USER_SITE_FILE` adds the packages in the person's home in any case.
    """
    inside = f"lib/python{python}/site-packages/{USER_SITE_FILE}"
    if not job.safe_mode or not os.path.isfile(f"{job.environment}/env/{inside}"):
        return {}
    return {f"{ENVIRONMENT}/{inside}": ""}


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
        *([Bind(f"{job.environment}/home", _BUILT_HOME)] if job.keeps_start else []),
    ]


def links(job: ServerJob) -> dict[str, str]:
    """Return links from the volume's paths under the person's former names to the current one."""
    return {volume_target(name): volume_target(job.owner) for name in job.former}


def volume_target(owner: str) -> str:
    """Return the path in the sandbox of the volume of the person named ``owner``."""
    return f"/home/{owner}-nfs-pvc"


def variables(job: ServerJob) -> dict[str, str]:
    """Return the environment variables of the notebook."""
    safe = {"PATH": f"{ENVIRONMENT}/bin:/usr/local/bin:/usr/bin:/bin"}  # without the person's own
    return {
        "JUPYTER_CONFIG_PATH": CONFIG,
        "JUPYTER_RUNTIME_DIR": "/run/jupyter",
        "JUPYTERHUB_USER": job.owner,
        "BINDER_REPO_URL": job.url,
        jupyter.GIT_VARIABLE: f"{CONFIG}/{jupyter.GIT_FILE}",
        "REPO_DIR": HOME,
        "NB_PYTHON_PREFIX": ENVIRONMENT,
        "KERNEL_PYTHON_PREFIX": ENVIRONMENT,
        "CPU_LIMIT": f"{job.cpus:g}",
        "MEM_LIMIT": str(job.bounds.memory),
        "OMP_NUM_THREADS": str(max(1, int(job.cpus))),
        "PIP_PREFIX": f"{HOME}/.local",
        "NO_PROXY": _NO_PROXY,
        "no_proxy": _NO_PROXY,
        **({**safe, **jupyter.safe_mode_variables()} if job.safe_mode else {}),
    }
