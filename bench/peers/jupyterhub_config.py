"""JupyterHub's configuration, read by JupyterHub: as it comes, with local processes as notebooks.

It differs from the defaults only where a run needs it: addresses, accounts without passwords, and
the trivial server in place of JupyterLab. `hub` sets the variables.
"""

import os
import sys

from jupyterhub.spawner import SimpleLocalProcessSpawner

folder = os.environ["BENCH_FOLDER"]
hub, public, routes = os.environ["BENCH_PORTS"].split(",")

c = get_config()  # type: ignore[name-defined]  # noqa: F821
c.Application.log_level = 40
c.JupyterHub.bind_url = f"http://127.0.0.1:{public}"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{hub}"
c.JupyterHub.db_url = f"sqlite:///{folder}/jupyterhub.sqlite"
c.JupyterHub.cookie_secret_file = f"{folder}/cookie-secret"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{routes}"
c.ConfigurableHTTPProxy.command = os.environ["BENCH_PROXY"].split(",")
c.ConfigurableHTTPProxy.pid_file = f"{folder}/proxy.pid"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = SimpleLocalProcessSpawner
c.SimpleLocalProcessSpawner.home_dir_template = f"{folder}/{{username}}"
c.Spawner.cmd = [sys.executable, "-I", "-S", os.environ["BENCH_TRIVIAL"]]
c.Spawner.http_timeout = 120
c.JupyterHub.services = [{"name": "bench", "api_token": os.environ["BENCH_TOKEN"]}]
c.JupyterHub.load_roles = [
    {
        "name": "bench",
        "scopes": ["admin:users", "admin:servers", "tokens", "read:hub"],
        "services": ["bench"],
    }
]
