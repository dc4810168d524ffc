"""The programs that pods run on kept folders, as a ConfigMap, and the commands that start them.

A ConfigMap rather than arguments of each pod: watch keeps all pods in memory. Its name is a hash of
its text, so that two versions of the portal do not disturb each other. Pure functions.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from portal.lib import zipping
from sessions import repofiles
from sessions.backends import personfiles
from sessions.backends.kubernetes.labels import program_labels
from sessions.repofiles import browse

from . import folders, helper, prepare, serve

FOLDER = "/run/bindery/homes"
_VOLUME = "homes"
_MODULES = (folders, helper, prepare, serve)
_IMPORTED = (zipping, personfiles, browse)
"""Names the modules that `serve` imports; in its pod, they lie where Python looks for them."""

_START = """\
import sys
sys.path.insert(0, "/run/bindery")
"""
_HELPER_CODE = f"""{_START}\
from homes import helper
helper.main(sys.argv[1:])
"""
_SERVE_CODE = f"""{_START}\
sys.path.insert(0, "{FOLDER}")
from homes import serve
serve.main(sys.argv[1:])
"""
_PREPARE_CODE = f"""{_START}\
from homes import prepare
prepare.main(sys.argv[1:])
"""

# Images with JupyterLab have Python, but not always on PATH: in some, only the entry point puts it
# there, and that is not run here, since it belongs to the notebook. A system's own Python may lack
# most of the standard library; JupyterLab does not run on such a Python.
_FIND_PYTHON_SCRIPT = """\
program=$1
shift
needs='import ctypes, fcntl, hashlib, json, struct, subprocess, sys, tempfile'
for python in python3 python /opt/conda/bin/python3 /srv/conda/envs/notebook/bin/python3 \\
    /opt/*/bin/python3 /srv/*/bin/python3 /usr/local/bin/python3 /usr/bin/python3
do
    "$python" -IS -c "$needs; sys.exit(sys.version_info < (3, 8))" 2>/dev/null || continue
    exec "$python" -IS -X utf8 -c "$program" "$@"
done
code=spawn.no-python
command -v jupyter-lab >/dev/null || code=spawn.no-jupyterlab
printf '{"code": "%s"}' $code >/dev/termination-log
exit 1
"""

HELPER_COMMAND = ["python3", "-I", "-c", _HELPER_CODE]
SERVE_COMMAND = ["python3", "-I", "-X", "utf8", "-c", _SERVE_CODE]
PREPARE_COMMAND = [
    "sh",
    "-c",
    _FIND_PYTHON_SCRIPT.replace("$", "$$"),
    "sh",
    _PREPARE_CODE,
]  # Kubernetes reads $$ as $


@cache
def file_texts() -> dict[str, str]:
    """Return each file's text by its name."""
    files = (Path(str(each.__file__)) for each in (*_MODULES, *_IMPORTED))
    found = {file.name: file.read_text(encoding="utf-8") for file in files}
    return {**found, prepare.MERGE_PROGRAM: repofiles.program()}


@cache
def name() -> str:
    """Return the name of the ConfigMap with exactly these texts."""
    whole = "\0".join(f"{name}\0{text}" for name, text in sorted(file_texts().items()))
    return f"bindery-homes-{hashlib.sha256(whole.encode()).hexdigest()[:12]}"


def configmap() -> dict[str, Any]:
    """Return the ConfigMap."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name(), "labels": program_labels()},
        "immutable": True,
        "data": file_texts(),
    }


def volume() -> dict[str, Any]:
    """Return the pod's volume with the programs."""
    return {"name": _VOLUME, "configMap": {"name": name()}}


def serve_volume() -> dict[str, Any]:
    """Return the volume of the pod that runs `serve`, with folders as its imports need them."""
    items = [(Path(str(each.__file__)).name, _path(each)) for each in (folders, serve, *_IMPORTED)]
    return {
        "name": _VOLUME,
        "configMap": {"name": name(), "items": [{"key": key, "path": to} for key, to in items]},
    }


def _path(module: ModuleType) -> str:
    """Return where the module is to lie; those of this package have no folder."""
    own = module.__name__.removeprefix(f"{__package__}.")
    return f"{own.replace('.', '/')}.py"


def mount() -> dict[str, Any]:
    """Return the container's mount of the programs."""
    return {"name": _VOLUME, "mountPath": FOLDER, "readOnly": True}
