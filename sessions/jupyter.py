"""Configure JupyterLab and git for a notebook, whichever back end runs it.

JupyterLab's settings are the files of one folder, to which ``JUPYTER_CONFIG_PATH`` points. It comes
before the person's own folder, so what is set here wins; anything else is theirs to set. **Safe
mode** leaves out what may keep a notebook from starting: the person's configuration and settings,
packages in their home, the repository's start script and its server extensions. The notebook shows
that it is in safe mode.

Pure functions, also used by processes without Django.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from sessions import jupyter_gateway

CONFIG_FILE = "jupyter_server_config.py"
_OTHER_CONFIG_FILES = ("jupyter_lab_config.py", "jupyter_notebook_config.py")
"""JupyterLab's own file, read after the server's, and the one of servers before jupyter_server."""
OVERRIDES_FILE = "labconfig/default_setting_overrides.json"
SAFE_MODE_FOLDER = "/tmp/bindery-safe-mode"  # noqa: S108  (the notebook's own)
"""Where JupyterLab keeps in safe mode what it otherwise keeps in the person's home."""
_SAFE_EXTENSIONS = (
    "jupyter_lsp", "jupyter_server_terminals", "jupyterlab", "nbclassic", "notebook",
    "notebook_shim",
)  # fmt: skip
_EXTENSION = "bindery-safe-mode"
_EXTENSIONS = "labextensions"


def config_files(
    token: str,
    values: Mapping[str, object],
    folder: str,
    safe_mode: str = "",
    *,
    keeps_start: bool = False,
) -> dict[str, str]:
    """Return the text of each configuration file by its path in ``folder``.

    Requests must carry ``token``; it stands in a file because every process can see arguments and
    variables. ``values`` are further settings, by the names that jupyter_server has for them.
    ``safe_mode`` is the reason for safe mode, "" for an ordinary start; ``keeps_start`` is whether
    the start script runs even so.
    """
    extensions = jupyter_gateway.extension_files()
    text = _server_config(token, values)
    text += jupyter_gateway.config(f"{folder}/{_EXTENSIONS}", server="server")
    if safe_mode:
        text += _SAFE_CONFIG.format(allowed=_SAFE_EXTENSIONS, path=f"{folder}/{_EXTENSIONS}")
        extensions |= _notice_files(safe_mode_notice(safe_mode, keeps_start=keeps_start))
    return {
        **dict.fromkeys((CONFIG_FILE, *_OTHER_CONFIG_FILES), text),
        OVERRIDES_FILE: lab_overrides(),
        **{f"{_EXTENSIONS}/{path}": content for path, content in extensions.items()},
    }


def safe_mode_variables() -> dict[str, str]:
    """Return the environment variables that keep a notebook from reading the person's own files."""
    return {
        "BINDERY_SAFE_MODE": "1",
        "IPYTHONDIR": f"{SAFE_MODE_FOLDER}/ipython",
        "JUPYTER_CONFIG_DIR": f"{SAFE_MODE_FOLDER}/config",
        "JUPYTER_DATA_DIR": f"{SAFE_MODE_FOLDER}/data",
        "PYTHONNOUSERSITE": "1",
    }


_REFUSED = re.compile(r"\[[A-Z] .*App\] (?P<status>[1-5][0-9]{2}) GET /api(?:/status)? \(")
"""How Jupyter's servers log that they did not accept a request; others are no line of theirs."""


def refusals(lines: Iterable[str]) -> tuple[int, list[str]]:
    """Return the last status with which JupyterLab refused the portal's own requests, 0 if none.

    And the other lines of its output: of a server that never accepts any, these soon fill the end.
    """
    status, others = 0, []
    for line in lines:
        if found := _REFUSED.match(line):
            status = int(found["status"])
        else:
            others.append(line)
    return status, others


def lab_overrides() -> str:
    """Return JupyterLab's defaults where a person has chosen none: it does not ask for news."""
    plugin = "@jupyterlab/apputils-extension:notification"
    return json.dumps({plugin: {"fetchNews": "false", "checkForUpdates": False}})


# Before jupyter_server 2, there is no identity provider, and before jupyter_server, the server was
# called NotebookApp. Which one runs is known only in its own process.
_CONFIG = """\
from traitlets.config import Application

kinds = type(Application.instance()).__mro__ if Application.initialized() else ()
is_old = any(kind.__name__ == "NotebookApp" for kind in kinds)
server = c.NotebookApp if is_old else c.ServerApp
server.base_url = "/"
server.certfile = server.keyfile = server.client_ca = ""
try:
    if is_old:
        raise ImportError
    from jupyter_server.auth.identity import IdentityProvider
except ImportError:
    server.token = {token!r}
    server.password = ""
else:
    c.IdentityProvider.token = c.PasswordIdentityProvider.token = {token!r}
    server.identity_provider_class = "jupyter_server.auth.identity.PasswordIdentityProvider"
"""
_ROOT = """\
if is_old:
    server.notebook_dir = {root!r}
else:
    server.root_dir = {root!r}
"""
_SAFE_CONFIG = """\
try:
    from jupyter_core.paths import jupyter_config_path
    from jupyter_server.extension.config import ExtensionConfigManager

    manager = ExtensionConfigManager(read_config_path=jupyter_config_path())
    found = manager.get_jpserver_extensions()
    server.jpserver_extensions = {{name: on and name in {allowed!r} for name, on in found.items()}}
except ImportError:
    pass
c.LabApp.labextensions_path = []
c.LabApp.extra_labextensions_path = [{path!r}]
"""


def _server_config(token: str, values: Mapping[str, object]) -> str:
    """Return the text of the server's configuration file."""
    rest = {name: value for name, value in values.items() if name != "ServerApp.root_dir"}
    lines = [_CONFIG.format(token=token)]
    if root := values.get("ServerApp.root_dir"):
        lines.append(_ROOT.format(root=root))
    for name, value in rest.items():
        owner, _dot, trait = name.partition(".")
        target = "server" if owner == "ServerApp" else f"c.{owner}"
        lines.append(f"{target}.{trait} = {value!r}\n")
    return "".join(lines)


# A prebuilt extension as JupyterLab 3 and newer load it, written by hand: it needs no module of
# JupyterLab's, so it works with every version of them. Its box stays until it is closed.
_NOTICE = """\
(function () {
  var text = %s;
  function show() {
    var box = document.createElement("div");
    box.id = "bindery-safe-mode";
    box.setAttribute("role", "alert");
    box.style.cssText = "position:fixed;right:16px;bottom:40px;z-index:100000;max-width:28rem;" +
      "max-height:60vh;overflow:auto;padding:12px 16px;border:2px solid #8a5a00;" +
      "border-radius:6px;" +
      "background:#fff6e0;color:#1f1f1f;font:14px/1.4 sans-serif;white-space:pre-wrap;" +
      "overflow-wrap:anywhere;box-shadow:0 2px 8px rgba(0,0,0,.3)";
    box.textContent = text;
    var close = document.createElement("button");
    close.textContent = "Close";
    close.style.cssText = "display:block;margin-top:8px;min-height:24px";
    close.onclick = function () { box.remove(); };
    box.appendChild(close);
    document.body.appendChild(box);
  }
  var plugin = { id: "bindery-safe-mode:notice", autoStart: true, activate: show };
  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB["bindery-safe-mode"] = {
    init: function () {},
    get: function () {
      return Promise.resolve(function () { return { __esModule: true, default: plugin }; });
    }
  };
})();
"""


def _notice_files(notice: str) -> dict[str, str]:
    """Return the files of the extension of JupyterLab that shows the notice of safe mode."""
    build = {"load": "static/remoteEntry.js", "extension": "./extension"}
    package = {
        "name": _EXTENSION,
        "version": "1.0.0",
        "jupyterlab": {"extension": True, "_build": build},
    }
    return {
        f"{_EXTENSION}/package.json": json.dumps(package),
        f"{_EXTENSION}/static/remoteEntry.js": _NOTICE % json.dumps(notice),
    }


def safe_mode_notice(reason: str, *, keeps_start: bool = False) -> str:
    """Return what a notebook in safe mode tells its person."""
    start = "" if keeps_start else "the repository's start script, "
    return (
        f"Safe mode. {reason}\n\n"
        "Left out: your Jupyter configuration, settings and IPython profile, packages and kernels "
        f"in your home (~/.local), {start}and the server and JupyterLab "
        "extensions that the repository installs. Your files are all here. When you have fixed "
        "what was wrong, stop the notebook and start it again."
    )


GIT_FILE = "gitconfig"
GIT_VARIABLE = "GIT_CONFIG_SYSTEM"
"""Names the file to git 2.32 and newer; older ones do without."""

KEY_FORGES = ("github.com", "gitlab.com", "bitbucket.org", "codeberg.org")
"""Forges that take pushes by a person's SSH key, but by a web address only with a token."""


def git_settings(name: str, email: str, *, has_key: bool) -> str:
    """Return git's settings in a notebook, where it works without any set-up.

    They are the system's, so the person's own, and those of a repository, win. ``name`` and
    ``email`` are for commits; "" leaves git to ask, and so does a name without a letter or digit,
    which git would refuse. Everything in a notebook is the person's own, whichever uid its files
    have on a shared volume. With a key, pushes to the large forges go by ssh.
    """
    lines = ["[safe]", "\tdirectory = *", "[user]"]
    who = {"name": name if any(map(str.isalnum, name)) else "", "email": email}
    lines += [f"\t{key} = {_quoted(value)}" for key, value in who.items() if value]
    for host in KEY_FORGES if has_key else ():
        lines += [f'[url "ssh://git@{host}/"]', f"\tpushInsteadOf = https://{host}/"]
    lines += ["[include]", "\tpath = /etc/gitconfig"]  # last, so that an image's own settings win
    return "\n".join([*lines, ""])


def _quoted(value: str) -> str:
    """Return a value as git's configuration reads it."""
    plain = "".join(each for each in value if each.isprintable())
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def commit_email(email: str, username: str, portal_url: str) -> str:
    """Return the address for commits; one that takes no mail if the portal knows none."""
    return email or f"{username}@users.noreply.{urlsplit(portal_url).hostname or 'localhost'}"
