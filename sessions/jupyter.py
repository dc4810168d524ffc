"""What every back end tells JupyterLab: its server's configuration and its own settings.

Pure functions, read by processes without Django, too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

CONFIGURATION = "jupyter_server_config.py"
SETTINGS = "labconfig/default_setting_overrides.json"


def configuration(values: Mapping[str, object]) -> str:
    """The text of the server's configuration file.

    It goes before the person's own, which is read as well. The token stands in this file
    because arguments and variables are seen by every process.
    """
    return "".join(f"c.{name} = {value!r}\n" for name, value in values.items())


def settings() -> str:
    """JupyterLab's own settings where a person has chosen none: it does not ask for news."""
    plugin = "@jupyterlab/apputils-extension:notification"
    return json.dumps({plugin: {"fetchNews": "false", "checkForUpdates": False}})
