"""Kernels of people's notebooks, reached through the gateway, and whether they keep their state."""

from __future__ import annotations

import random
import time

import httpx
from websockets.exceptions import WebSocketException

from bench.drill.ledger import Memory
from tests.kernel import Kernel
from tests.stack import Api

NO_ANSWER = (AssertionError, OSError, httpx.HTTPError, WebSocketException, KeyError, ValueError)
"""Errors from a gateway, or something behind it, that is away at this moment."""
SECONDS = 20.0
_ASK = "import os; print(os.getpid(), drilled)"


def remember(api: Api, name: str, chance: random.Random) -> Memory:
    """Start a kernel and set a variable in it. Raises one of `NO_ANSWER`."""
    value = chance.randrange(10**9)
    with Kernel(api, name) as kernel:
        shown = kernel.run(f"drilled = {value}; {_ASK}", SECONDS)
        pid, _space, _value = shown.partition(" ")
        return Memory(kernel.id, int(pid), value)


def recall(api: Api, name: str, memory: Memory) -> str:
    """Return what that kernel prints now. Raises one of `NO_ANSWER`."""
    with Kernel(api, name, memory.kernel) as kernel:
        return kernel.run(_ASK, SECONDS)


def is_lost(api: Api, name: str, memory: Memory, tries: int = 4) -> str:
    """Return what is wrong with it, "" if it is unchanged; for when nothing is killed any more."""
    said = ""
    for _try in range(tries):
        try:
            said = recall(api, name, memory)
        except NO_ANSWER as error:
            said = repr(error)[:200]
        if said == memory.shown:
            return ""
        time.sleep(1)
    return said
