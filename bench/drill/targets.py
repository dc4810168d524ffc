"""The things that can be killed, in which ways, and how to tell that they are back."""

from __future__ import annotations

import os
import random
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Protocol

from bench.drill.servers import Server
from tests import processes
from tests.stack import Place, Stack

MAX_FREEZE = 20.0
MAX_ABSENCE = 10.0


class Portal(Place, Protocol):
    """A portal, wherever it runs."""

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment in which a program on this machine uses the portal's data."""
        raise NotImplementedError

    def is_healthy(self) -> bool:
        """Return whether it says so at ``/health``."""
        raise NotImplementedError


class Target(ABC):
    """Something that can be killed.

    ``ways`` names what can be done to it. Each returns when the harm is over, including any restart
    that the drill does; from then on the portal has to recover by itself.
    """

    def __init__(self, stack: Portal) -> None:
        self._stack = stack

    @property
    @abstractmethod
    def ways(self) -> Mapping[str, Callable[[random.Random], None]]:
        """Return the ways to harm it by name; each takes the drill's source of randomness."""

    def is_back(self) -> bool:
        """Return whether it works again: the portal is healthy."""
        return self._stack.is_healthy()


class Part(Target):
    """Web, worker, watch or keepers, which `manage.py up` starts again."""

    _stack: Stack

    def __init__(self, stack: Stack, name: str) -> None:
        super().__init__(stack)
        self._name = name
        self._gone = 0

    @property
    def ways(self) -> Mapping[str, Callable[[random.Random], None]]:
        """Return the ways to harm the process: kill it (or its children, too), or freeze it."""
        ways = {"killed": self._kill, "killed with its children": self._kill_all}
        if self._name == "worker":
            ways["a child killed"] = self._kill_child
        return ways | {"frozen": self._freeze}

    def is_back(self) -> bool:
        """Return whether a new process runs and the portal is healthy."""
        pid = self._stack.part(self._name)
        return pid not in {None, self._gone} and self._stack.is_healthy()

    def _pid(self) -> int:
        """Return its pid; 0 while it is being started anyway."""
        return self._stack.part(self._name) or 0

    def _kill(self, chance: random.Random) -> None:
        if pid := self._pid():
            self._gone = pid
            processes.send(pid, signal.SIGKILL)

    def _kill_all(self, chance: random.Random) -> None:
        if pid := self._pid():
            self._gone = pid
            for each in [pid, *processes.members(pid)]:
                processes.send(each, signal.SIGKILL)

    def _kill_child(self, chance: random.Random) -> None:
        pid = self._pid()
        if pid and (children := processes.members(pid)):
            processes.send(chance.choice(children), signal.SIGKILL)

    def _freeze(self, chance: random.Random) -> None:
        """Stop it for a while; if that was too long, it has been restarted meanwhile."""
        if not (pid := self._pid()):
            return
        handle = os.pidfd_open(pid)  # another process may get its number meanwhile
        try:
            signal.pidfd_send_signal(handle, signal.SIGSTOP)
            time.sleep(chance.uniform(1, MAX_FREEZE))
            signal.pidfd_send_signal(handle, signal.SIGCONT)
        except ProcessLookupError:
            self._gone = pid
        finally:
            os.close(handle)


class Notebooks(Target):
    """The keepers of people's notebooks on this machine, with which those end.

    A notebook comes back only when somebody starts it.
    """

    _stack: Stack

    @property
    def ways(self) -> Mapping[str, Callable[[random.Random], None]]:
        """Return the one way to harm them: kill one of their keepers."""
        return {"killed": self._kill}

    def _kill(self, chance: random.Random) -> None:
        run = f"{self._stack.data}/run/server-"
        every = processes.everything()
        keepers = [pid for pid in every if any(run in each for each in processes.held(pid))]
        if keepers:
            processes.send(chance.choice(keepers), signal.SIGKILL)


class Store(Target):
    """A server with the portal's data, which the drill itself starts again."""

    def __init__(self, stack: Stack, server: Server, at_once: signal.Signals) -> None:
        super().__init__(stack)
        self._server = server
        self._at_once = at_once

    @property
    def ways(self) -> Mapping[str, Callable[[random.Random], None]]:
        """Return the ways to end the server: by SIGKILL, or at once on request."""
        return {
            "killed": lambda chance: self._away(signal.SIGKILL, chance),
            "ended at once": lambda chance: self._away(self._at_once, chance),
        }

    def _away(self, number: signal.Signals, chance: random.Random) -> None:
        self._server.end(number)
        time.sleep(chance.uniform(0, MAX_ABSENCE))
        self._server.start()
