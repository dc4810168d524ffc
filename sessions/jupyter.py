"""JupyterLab's settings for every back end: its server's configuration and its own defaults.

Pure functions, also used by processes without Django.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

CONFIG_FILE = "jupyter_server_config.py"
MAX_WEBSOCKET_MESSAGE = 64 * 1024 * 1024
"""Maximum bytes of a message to or from a kernel. Tornado's own limit is 10 MB, and a file uploaded
through a widget is one message. The gateway has the same limit (`sessions.gateway.websocket`).
"""
OVERRIDES_FILE = "labconfig/default_setting_overrides.json"


def server_config(values: Mapping[str, object]) -> str:
    """Return the text of the server's configuration file.

    It is read before the person's own. The token stands in this file because every process can see
    arguments and variables.
    """
    lines = [f"c.{name} = {value!r}\n" for name, value in values.items()]
    # Update, not replace: others set values there, too, such as headers.
    bound = {"websocket_max_message_size": MAX_WEBSOCKET_MESSAGE}
    return "".join([*lines, f"c.ServerApp.tornado_settings.update({bound!r})\n"])


def lab_overrides() -> str:
    """Return JupyterLab's defaults where a person has chosen none: it does not ask for news."""
    plugin = "@jupyterlab/apputils-extension:notification"
    return json.dumps({plugin: {"fetchNews": "false", "checkForUpdates": False}})
