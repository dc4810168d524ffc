"""Explain in a sentence why a step failed, if it is of a kind that people meet often.

Some mistakes can be seen in the files, and `prepare` notes them; others show in what a step prints.
It also sees which files expect Node.js, which repo2docker's environments have.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from . import requirements

_SUDO = re.compile(r"^[^#\n]*(?<![\w/.-])sudo\s", re.MULTILINE)
_APT = re.compile(
    r"^[^#\n]*(?<![\w/.-])(?:apt|apt-get|dpkg)\s+(?:-\S+\s+)*(?:install|update|-i)\b", re.MULTILINE
)
_NODE = re.compile(
    r"^[^#\n]*(?<![\w/.-])(?:npm|npx|node|yarn|jlpm|corepack)(?=[\s\"']|$)"
    r"|^[^#\n]*(?<![\w/.-])(?:labextension|lab\s+build)\b"
    r"|hatch[-_]jupyter[-_]builder|jupyter[-_]packaging",
    re.MULTILINE,
)

_POST_BUILD = "postBuild"
_MISSING = re.compile(r"\bBecause ([A-Za-z0-9][\w.-]*) was not found in the package registry")
_CHECK_NAME = "Check its spelling: the name to install may differ from the one to import."
_CODES = frozenset({"build.requirements", "build.package", "build.post-build"})
_NO_ROOT = (
    "uses sudo, but a build has no root rights. Name Debian packages in apt.txt, which a portal on "
    "Kubernetes installs, and remove the line."
)
_NO_APT = (
    "installs Debian packages, for which a build has no rights. Name them in apt.txt, which a "
    "portal on Kubernetes installs, and remove the line."
)
_UNDECLARED = (
    "A package needs {name} to be built, and does not say so. If it is this repository's own, name "
    "{name} in pyproject.toml, in requires of [build-system]; otherwise, ask for a version of it "
    "that has wheels."
)
_OLD_PACKAGE = (
    "A package is too old for this version of Python, which no longer has {name}. Ask for a "
    "newer version of the package, or for an older Python in runtime.txt."
)
_PRERELEASE = (
    "A requested package needs a pre-release of another one. Allow it by naming that other "
    "package and its version as well, such as package>=2.0rc1."
)
_COMPILER = (
    "A package had to be built here, since it has no wheel for this version of Python. Ask for a "
    "version of it that has one, or name the Debian packages that it needs in apt.txt."
)
_OLD_COMMAND = (
    "JupyterLab 4 and Notebook 7 have no {name} command, and extensions that pip installs need "
    "none. Remove the line."
)
_NOT_FOUND = (
    "{name} is not in this environment. Install it with requirements.txt, environment.yml or "
    "apt.txt, or remove the line."
)
_USER_INSTALL = "Leave out --user: packages belong in the environment."

_SHARED_FILE = (
    "Environments share the files of JupyterLab and of what it needs, so none can be changed in "
    "place. Write a new file instead of the old one, as sed -i does, or install a version of the "
    "package with the change."
)

_COMPILES = (
    re.compile(
        r"error: command '\S*(?:gcc|g\+\+|cc|clang)\S*' failed|gcc: command not found"
        r"|hint: Build failures usually|Failed building wheel|metadata-generation-failed"
    ),
    _COMPILER,
)
_INSTALLERS = (
    (re.compile(r"No module named ['\"](?P<name>distutils|imp|pkg_resources)\b"), _OLD_PACKAGE),
    (re.compile(r"ModuleNotFoundError: No module named ['\"](?P<name>[\w.]+)['\"]"), _UNDECLARED),
    (re.compile(r"[Pp]re-releases? (?:are|were) available|prerelease[ =]allow"), _PRERELEASE),
    _COMPILES,
)
_SCRIPTS = (
    (re.compile(r"\bsudo: (?:command )?not found"), f"{_POST_BUILD} {_NO_ROOT}"),
    (
        re.compile(r"Jupyter command `jupyter-(?P<name>nbextension|serverextension)` not found"),
        _OLD_COMMAND,
    ),
    (re.compile(r"Can not perform a '--user' install"), _USER_INSTALL),
    (
        re.compile(
            r"(?:denied|permitted): ['\"]?/opt/env/|/opt/env/\S+: (?:.* denied|.* permitted)"
        ),
        _SHARED_FILE,
    ),
    _COMPILES,
    (re.compile(r"(?:^|[\s'\"])(?P<name>[\w.+-]+): (?:command )?not found"), _NOT_FOUND),
    (re.compile(r"env: [‘'](?P<name>[\w.+-]+)[’']: No such file"), _NOT_FOUND),
)


def script_mistake(path: str, text: str) -> str:
    """Return a sentence about what a script may not do in a build; "" if there is none."""
    if _SUDO.search(text):
        return f"{path} {_NO_ROOT}"
    return f"{path} {_NO_APT}" if _APT.search(text) else ""


def expects_node(text: str) -> bool:
    """Return whether a script, or the metadata of a package, runs Node.js or its npm."""
    return _NODE.search(text) is not None


def missing_package(output: Iterable[str]) -> str:
    """Return the package that the index does not have, as uv prints it; "" if it names none."""
    found = _MISSING.search("\n".join(output))
    return found[1] if found else ""


def explain(
    code: str,
    output: Iterable[str],
    mistakes: Mapping[str, str],
    places: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Return the sentences that explain the failure of a step; "" if nothing is known.

    ``code`` is that of the failure, ``output`` its last lines, and ``mistakes`` are the known ones
    in the repository's files, by path. ``places`` say where packages are named.
    """
    if code not in _CODES:
        return ""
    is_script = code == "build.post-build"
    found = [text for path, text in mistakes.items() if path.endswith(_POST_BUILD) == is_script]
    if found:
        return " ".join(found)
    output = list(output)
    if name := missing_package(output):
        place = places.get(requirements.normalized(name), "")
        return f"{_named(name, place)} {_CHECK_NAME}"
    printed = "\n".join(output)
    for pattern, sentence in _SCRIPTS if is_script else _INSTALLERS:
        if match := pattern.search(printed):
            return sentence.format(**match.groupdict())
    return ""


def _named(name: str, place: str) -> str:
    sentence = f"The package index has no package named {name}"
    return f"{sentence}, which {place} asks for." if place else f"{sentence}."
