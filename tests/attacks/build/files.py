"""Package files that refer to things they must not reach: files of the machine, the portal, other
protocols; and scripts that exceed the limits of a build.
"""

from __future__ import annotations

from tests.attacks.attempt import ON_ONE_MACHINE
from tests.attacks.build.repository import Repository

KIND = "files of a build"
REFUSED = frozenset({"build.requirements", "build.configuration", "build.dockerfile", "build.symlink-outside",
                     "build.fetch", "build.render", "build.needs-containers", "build.package"})  # fmt: skip
ENDED = frozenset({"build.post-build", "build.timeout", "build.disk-full", "build.out-of-memory"})
LINES = {
    "the environment of process 1": "-r /proc/1/environ",
    "the environment of itself": "-r /proc/self/environ",
    "the machine's passwords": "-r /etc/shadow",
    "the environment as bounds": "-c /proc/1/environ",
    "a package in a folder of the machine": "-e /root",
    "a package at a file's address": "x @ file:///etc/shadow",
    "a package from git in a folder": "x @ git+file:///root",
    "a package by git's own programs": "x @ git+ext::sh -c id",
    "an index at the portal": "--index-url http://127.0.0.1:{port}/\nx-none",
    "packages listed at the metadata service":
        "--no-index\n--find-links http://169.254.169.254/latest/\nx-none",
    "an index that is a file": "--index-url file:///etc/\nx-none",
    "a path through a variable": "${PORTAL_ADMIN_PASSWORD}",
    "a package with a shell in its name": "$(id)",
    "an option of the installer": "--python /bin/sh",
    "a package from a private network": "x @ http://10.0.0.1/x.zip",
}  # fmt: skip
QUICK = frozenset(
    {"the environment of process 1", "an index at the portal", "a package at a file's address"}
)
_POST = "#!/bin/sh\n"
SCRIPTS = {
    "says that it is built": (_POST + "echo '{\"phase\": \"ready\"}'; printf '\\033]0;x\\007'; exit 3\n", ENDED),
    "prints a line of two megabytes": (_POST + "head -c 2000000 /dev/zero | tr '\\0' x; exit 3\n", ENDED),
    "kills everything that it sees": (_POST + "kill -9 -1; sleep 1; exit 3\n", ENDED | {"build.internal"}),
    "removes everything that it sees": (_POST + "rm -rf /opt /home /tmp 2>/dev/null; exit 3\n",
                                        ENDED | REFUSED | {"build.internal"}),
    "puts a link where the answer is read": (
        _POST + "ln -sf /etc/shadow /run/answer/detected.json; exit 3\n", ENDED),
    "ends the server's packages": (
        _POST + "sed -i '1i raise SystemExit' $(python -c 'import jupyterlab; print(jupyterlab.__file__)')\n",
        frozenset({"build.no-jupyterlab", "spawn.crashed"})),
}  # fmt: skip
_ITSELF = (
    '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["."]\n'
    '[project]\nname = "x"\nversion = "1"\n'
)
_OWN = (
    "import glob\n"
    "for path in glob.glob('/proc/[0-9]*/environ') + ['/etc/shadow']:\n"
    "    try:\n        print(open(path).read())\n    except OSError as error:\n        print(error)\n"
    "raise SystemExit('it has looked')\n"
)
ATTEMPTS = (
    *(
        Repository(KIND, f"requirements.txt names {what}", {"requirements.txt": f"{line}\n"}, REFUSED,
                   long=what not in QUICK)
        for what, line in LINES.items()
    ),
    *(
        Repository(KIND, f"postBuild {what}", {"postBuild": text}, codes, backends=ON_ONE_MACHINE,
                   long=True)
        for what, (text, codes) in SCRIPTS.items()
    ),
    Repository(KIND, "a package that builds itself prints every environment",
               {"pyproject.toml": _ITSELF, "own.py": _OWN, "setup.py": ""}, REFUSED, long=True),
    Repository(KIND, "Pipfile names a package in a folder of the machine",
               {"Pipfile": '[packages]\nx = {path = "/root"}\n'}, REFUSED, long=True,
               backends=ON_ONE_MACHINE),
    Repository(KIND, "pyproject.toml names a program of its own to build it",
               {"pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "b"\n'
                                  'backend-path = ["/root"]\n[project]\nname = "x"\nversion = "1"\n',
                "setup.py": "raise SystemExit(1)\n"}, REFUSED, long=True),
    Repository(KIND, "runtime.txt names a path", {"runtime.txt": "../../../etc/shadow\n"},
               REFUSED | {""}, long=True),
    Repository(KIND, ".resources has a shell in it", {".resources": "cpul=$(id)\nmeml=`id`\n"},
               REFUSED | {"", "resources.invalid", "resources.value"}, long=True),
    Repository(KIND, "a repository without any of it is ready", {"index.ipynb": "{}"}, frozenset({""}),
               control=True),
)  # fmt: skip
