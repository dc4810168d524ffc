"""Give a notebook's server what it needs behind the gateway: its token, bounds, and a notice.

Parts of Jupyter's configuration (`sessions.jupyter`). Pure functions, also used by processes
without Django.
"""

from __future__ import annotations

import json

TOKEN_HEADER = "X-Bindery-Token"  # noqa: S105  (the header's name)
"""The server's token travels in a header of its own, because ``Authorization`` and an argument
``token`` may be an application's that runs behind the server.
"""
MAX_BODY = 512 * 1024 * 1024
"""Maximum bytes of a request's body. Jupyter's server holds the body in memory, also of requests
for an application behind it and of their responses. JupyterLab uploads files in smaller parts.
"""
MAX_WEBSOCKET_MESSAGE = 64 * 1024 * 1024
"""Maximum bytes of a message to or from a kernel or an application. Tornado's own limit is 10 MB,
and a file uploaded through a widget is one message. The gateway has the same limit
(`sessions.gateway.websocket`).
"""
EXTENSION = "bindery-gateway"

# The server's classes differ by version: jupyter_server 2, 1, and the notebook server before it.
# The two headers end here, so that no application sees the server's token.
_CONFIG = """
def _accept_gateway_token():
    from importlib import import_module

    def accepting(read):
        def get_token(owner, handler):
            request = handler.request
            if {header!r} in request.headers:
                request.gateway_token = request.headers[{header!r}]
                del request.headers[{header!r}]
                if request.headers.get("Authorization") == "token " + request.gateway_token:
                    del request.headers["Authorization"]
            return getattr(request, "gateway_token", "") or read(owner, handler)

        return get_token

    for place, name in (
        ("jupyter_server.auth.identity", "IdentityProvider"),
        ("jupyter_server.auth.login", "LoginHandler"),
        ("notebook.auth.login", "LoginHandler"),
    ):
        try:
            owner = getattr(import_module(place), name)
        except (ImportError, AttributeError):
            continue
        read = owner.get_token
        of_class = getattr(read, "__func__", None)
        owner.get_token = classmethod(accepting(of_class)) if of_class else accepting(read)


def _use_gateway_bounds():
    # What Tornado's clients take, through which jupyter-server-proxy reaches applications.
    try:
        from tornado import httpclient, websocket
    except ImportError:  # another server
        return
    httpclient.AsyncHTTPClient.configure(None, max_buffer_size={body}, max_body_size={body})
    websocket._default_max_message_size = {message}


_accept_gateway_token()
_use_gateway_bounds()
{server}.max_body_size = {server}.max_buffer_size = {body}
{server}.tornado_settings.update({{"websocket_max_message_size": {message}}})
c.LabServerApp.extra_labextensions_path = [{extensions!r}]
"""


def config(extensions: str, server: str = "c.ServerApp") -> str:
    """Return lines of the server's configuration file.

    ``extensions`` is the folder with `extension_files`, ``server`` the name of the server's section
    there.
    """
    return _CONFIG.format(
        header=TOKEN_HEADER,
        body=MAX_BODY,
        message=MAX_WEBSOCKET_MESSAGE,
        extensions=extensions,
        server=server,
    )


# A prebuilt extension, as JupyterLab 3 and newer and Notebook 7 load it, written by hand: it uses
# no module of JupyterLab's, so it works with each version of them. JupyterLab itself says nothing
# when a message is too large: it connects again, and the message is gone.
_NOTICE = """\
(function () {
  "use strict";
  const limit = %(limit)d;
  const words = %(words)s;

  function activate(app) {
    function tell(message) {
      const command = "apputils:notify";
      if (app.commands.hasCommand(command)) {
        app.commands.execute(command, { message, type: "error", options: { autoClose: false } });
      } else {
        window.alert(message);
      }
    }
    function size(data) {
      return typeof data === "string" ? new Blob([data]).size : data.byteLength || data.size || 0;
    }
    const settings = app.serviceManager.serverSettings;
    settings.WebSocket = class extends settings.WebSocket {
      constructor(...where) {
        super(...where);
        this.addEventListener("close", (event) => {
          if (words[event.code]) {
            tell(words[event.code]);
          }
        });
      }
      send(data) {
        if (size(data) > limit) {
          tell(words.unsent);
        } else {
          super.send(data);
        }
      }
    };
  }

  const plugin = { id: "bindery-gateway:notices", autoStart: true, activate };
  const container = {
    init: () => {},
    get: () => Promise.resolve(() => ({ __esModule: true, default: plugin })),
  };
  window._JUPYTERLAB = Object.assign(window._JUPYTERLAB || {}, { "bindery-gateway": container });
})();
"""
_MEGABYTES = MAX_WEBSOCKET_MESSAGE // 1024**2
_WORDS = {
    "unsent": (
        f"This was not sent to the kernel, because it is larger than {_MEGABYTES} MB. Upload large "
        "files with the file browser, and open them by their names."
    ),
    "1009": (
        f"A message of more than {_MEGABYTES} MB was cut off, so some output is missing. Print or "
        "plot less at a time, or write it to a file."
    ),
    "1013": "The connection to the kernel was too slow. Some output may be missing.",
    "4403": (
        "This notebook was stopped, or you no longer have access to it. Reload the page to see "
        "which."
    ),
}


def extension_files() -> dict[str, str]:
    """Return the files of a JupyterLab extension, by their paths below its folder of extensions.

    It tells a person what the gateway or Jupyter did not let through.
    """
    build = {"load": "static/remoteEntry.js", "extension": "./extension"}
    package = {
        "name": EXTENSION,
        "version": "1.0.0",
        "jupyterlab": {"extension": True, "_build": build},
    }
    script = _NOTICE % {"limit": MAX_WEBSOCKET_MESSAGE, "words": json.dumps(_WORDS)}
    return {
        f"{EXTENSION}/package.json": json.dumps(package),
        f"{EXTENSION}/static/remoteEntry.js": script,
    }
