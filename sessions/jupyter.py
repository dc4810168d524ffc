"""JupyterLab's settings for every back end: its server's configuration and its own defaults.

Pure functions, also used by processes without Django.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from sessions import jupyter_gateway

CONFIG_FILE = "jupyter_server_config.py"
OVERRIDES_FILE = "labconfig/default_setting_overrides.json"


_EXTENSIONS = "labextensions"


def config_files(values: Mapping[str, object], folder: str) -> dict[str, str]:
    """Return the text of each configuration file, by its path in ``folder``.

    They are read before the person's own. The token stands in a file because every process can see
    arguments and variables.
    """
    lines = [f"c.{name} = {value!r}\n" for name, value in values.items()]
    extensions = jupyter_gateway.extension_files()
    return {
        CONFIG_FILE: "".join([*lines, jupyter_gateway.config(f"{folder}/{_EXTENSIONS}")]),
        OVERRIDES_FILE: lab_overrides(),
        **{f"{_EXTENSIONS}/{path}": text for path, text in extensions.items()},
    }


def lab_overrides() -> str:
    """Return JupyterLab's defaults where a person has chosen none: it does not ask for news."""
    plugin = "@jupyterlab/apputils-extension:notification"
    return json.dumps({plugin: {"fetchNews": "false", "checkForUpdates": False}})
