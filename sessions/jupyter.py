"""What every back end tells JupyterLab: its server's configuration and its own settings.

Pure functions, read by processes without Django, too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

CONFIGURATION = "jupyter_server_config.py"
WEBSOCKET_MAX = 64 * 1024 * 1024
"""Bytes of a message to or from a kernel. Tornado's own bound is 10 MB, and files that are uploaded
through a widget are one message. The gateway has the same bound (`sessions.gateway.frames`)."""
SETTINGS = "labconfig/default_setting_overrides.json"


def configuration(values: Mapping[str, object]) -> str:
    """The text of the server's configuration file.

    It goes before the person's own, which is read as well. The token stands in this file
    because arguments and variables are seen by every process.
    """
    lines = [f"c.{name} = {value!r}\n" for name, value in values.items()]
    # Added to what others set there, such as headers.
    bound = {"websocket_max_message_size": WEBSOCKET_MAX}
    return "".join([*lines, f"c.ServerApp.tornado_settings.update({bound!r})\n"])


def settings() -> str:
    """JupyterLab's own settings where a person has chosen none: it does not ask for news."""
    plugin = "@jupyterlab/apputils-extension:notification"
    return json.dumps({plugin: {"fetchNews": "false", "checkForUpdates": False}})
