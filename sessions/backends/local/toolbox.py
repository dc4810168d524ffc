"""Install the tools that builds run: repo2docker, uv, `detect` and small files; find Pythons.

The toolbox is made once from pinned requirements, under a name that is a hash of everything in it,
and is mounted read-only in sandboxes: none of the portal's own folders has to be. Environments can
be made with the Python versions that the machine has.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys
import uuid
from functools import cache
from pathlib import Path
from typing import Any

import uv
from django.utils.translation import gettext as _

from sessions.errors import TemporaryError

from . import owners
from .keeper import files, home
from .keeper.files import make_readable, remove, rename_unless_exists

_PLACES = ("/usr/bin", "/usr/local/bin", "/opt/*/bin")
_MIN_PYTHON = (3, 10)
_VERSION_SCRIPT = "import sys; print('%d.%d' % sys.version_info[:2], sys.base_prefix)"


@cache
def interpreters(uid: int) -> dict[str, str]:
    """Return version → interpreter, for all that ``uid`` can run; the machine's own comes first.

    The packages of `notebook.txt` determine the oldest version.
    """
    found: dict[str, str] = {}
    for path in _candidates():
        version = _version(path, uid)
        if version and version not in found:
            found[version] = path
    return found


def interpreter_prefix(path: str) -> str:
    """Return the folder that an interpreter needs at its place, or "" if it is in /usr."""
    top = str(Path(path).resolve().parent.parent)
    return "" if f"{top}/".startswith("/usr/") else top


def _candidates() -> list[str]:
    places = [path for place in _PLACES for path in sorted(glob.glob(f"{place}/python3.*"))]
    own = os.path.join(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}")
    first = [os.path.realpath("/usr/bin/python3")]
    exact = [path for path in places if re.fullmatch(r"python3\.\d+", os.path.basename(path))]
    return [*first, *exact, own]


def _version(path: str, uid: int) -> str:
    """Return the version, or "" unless ``uid`` can run the interpreter and it is new enough."""
    try:
        done = subprocess.run(
            [path, "-I", "-c", _VERSION_SCRIPT], capture_output=True, text=True, timeout=10,
            cwd="/", **owners.as_user(uid),
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    words = done.stdout.split()
    new_enough = words and tuple(map(int, words[0].split("."))) >= _MIN_PYTHON
    return words[0] if done.returncode == 0 and new_enough else ""


_HERE = Path(__file__).parent
_TOOLS = _HERE / "toolbox.txt"
_SHARED = (_HERE / "notebook.txt",)
_ROOT = _HERE.parents[2]
_PROGRAM = (
    _ROOT / "sessions/repofiles/detect.py",
    *sorted((_ROOT / "sessions/repofiles/configuration").glob("*.py")),
)
_SECONDS = 300
_WARM_UP = ("-I", "-m", "sessions.repofiles.detect", os.devnull, "3.11")

_ETC = {
    "passwd": "root:x:0:0::/root:/usr/sbin/nologin\njovyan:x:1000:1000::/home/jovyan:/bin/bash\n",
    "group": "root:x:0:\njovyan:x:1000:\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "ssh/ssh_config": (
        "Host *\n"
        "    ProxyCommand socat - PROXY:127.0.0.1:%h:%p,proxyport=3128\n"
        "    StrictHostKeyChecking accept-new\n"
        f"    GlobalKnownHostsFile {home.KEY_MOUNT}/{home.KNOWN_HOSTS}\n"
        f"    IdentityFile ~/.ssh/{home.PRIVATE}\n"
        "    IdentityFile ~/.ssh/id_ed25519\n"  # a person's other keys, where ssh looks by default
        "    IdentityFile ~/.ssh/id_ecdsa\n"
        "    IdentityFile ~/.ssh/id_rsa\n"
        "    ServerAliveInterval 30\n"
    ),
}


def toolbox_name(python: str) -> str:
    """Return the name of the toolbox of the current requirements; ``python`` is a path."""
    texts = [path.read_text() for path in (_TOOLS, *_SHARED, *_PROGRAM)]
    parts = [python, *texts, repr((_ETC, _WARM_UP))]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def ensure(toolboxes: Path, python: str) -> Path:
    """Return the toolbox; make it if it does not exist, safely with concurrent callers.

    Raises `TemporaryError` if the packages cannot be installed.
    """
    target = toolboxes / toolbox_name(python)
    if target.exists():
        return target
    draft = toolboxes / f".{target.name}-{uuid.uuid4().hex[:8]}"
    try:
        _install(draft, python)
        _share(draft / "share")
        _add_program(draft)
        _compile(draft)
        make_readable(draft)
        files.sync(draft)  # it is built once, and nothing works without it
        rename_unless_exists(draft, target)
    finally:
        remove(draft)
    return target


def _install(folder: Path, python: str) -> None:
    _uv("venv", "--no-project", "--python", python, str(folder))
    _uv("pip", "install", "--python", str(folder / "bin/python"), "--link-mode", "copy",
        "--require-hashes", "-r", str(_TOOLS))  # fmt: skip


def _compile(folder: Path) -> None:
    """Have Python cache the bytecode of `detect`'s imports, by running it without a repository.

    Builds see the toolbox read-only: each of them would compile it again, for a second.
    """
    _run([str(folder / "bin/python"), *_WARM_UP], cwd=folder)


def _uv(*words: str) -> None:
    usual = {"UV_SYSTEM_CERTS": "true"}
    if index := os.environ.get("PIP_INDEX_URL"):
        usual["UV_DEFAULT_INDEX"] = index
    command = [uv.find_uv_bin(), *words, "--quiet", "--no-config"]
    _run(command, env={**usual, **os.environ})


def _run(command: list[str], **more: Any) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, **more)
    if done.returncode:
        message = _("The build tools could not be installed: %(why)s") % {"why": done.stderr[-500:]}
        raise TemporaryError("local.toolbox", message)


def _share(folder: Path) -> None:
    for text, content in _ETC.items():
        path = folder / "etc" / text
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    for source in _SHARED:
        shutil.copyfile(source, folder / source.name)


def _add_program(folder: Path) -> None:
    """Let the toolbox's Python import `detect` under the portal's name for it."""
    packages = next(folder.glob("lib/python3.*/site-packages"))
    for source in _PROGRAM:
        target = packages / source.relative_to(_ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
