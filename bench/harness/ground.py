"""The servers that rows need, started when the first row asks for one and ended with the run."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bench.harness.plan import Plan

if TYPE_CHECKING:
    from bench.peers.hub import Hub
    from bench.peers.proxy import Proxy
    from bench.portals.alone import Alone
    from bench.portals.whole import Portal
    from bench.upstream import Upstream


class Ground:
    """The servers of a run.

    The first access to one takes time: ask before measuring. ``folder`` is where a row may leave a
    picture.
    """

    def __init__(self, plan: Plan, ends: ExitStack, folder: Path) -> None:
        self.plan = plan
        self.folder = folder
        self._ends = ends

    @cached_property
    def portal(self) -> Portal:
        """Start the portal at the first access, and return it; it runs until the ground closes."""
        from bench.portals import whole  # noqa: PLC0415 -- only there once Django is set up

        return self._ends.enter_context(whole.running())

    @cached_property
    def hub(self) -> Hub:
        """Start JupyterHub at the first access, and return it; it runs until the ground closes."""
        from bench.peers import hub  # noqa: PLC0415 -- the same

        return self._ends.enter_context(hub.running())

    @cached_property
    def upstream(self) -> Upstream:
        """Start the server that stands for a notebook at the first access, and return it."""
        from bench import upstream  # noqa: PLC0415 -- the same

        return self._ends.enter_context(upstream.running())

    @cached_property
    def gateway(self) -> Alone:
        """Return the gateway before both upstreams: notebooks ``plain``, ``local`` and ``live``."""
        from bench.portals import alone  # noqa: PLC0415 -- the same

        notebooks = {name: getattr(self.upstream, name) for name in ("plain", "local", "live")}
        return self._ends.enter_context(alone.running(notebooks))

    @cached_property
    def nginx(self) -> str:
        """Return the address of an nginx in front of the gateway."""
        from tests import nginx  # noqa: PLC0415 -- the same

        web = self.gateway
        front = nginx.running(web.port, "localhost", web.secret)
        return f"http://127.0.0.1:{self._ends.enter_context(front)}"

    @cached_property
    def proxies(self) -> dict[str, Proxy]:
        """Return a proxy in front of each upstream, by the same names."""
        from bench.peers import proxy  # noqa: PLC0415 -- the same

        upstreams = {"plain": self.upstream.plain, "live": self.upstream.live}
        return {
            name: self._ends.enter_context(proxy.running(url)) for name, url in upstreams.items()
        }
