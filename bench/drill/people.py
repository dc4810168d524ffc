"""A person of the drill: launches now and then, and meanwhile does what people do.

One thread each (`Actor`). A person who hits a limit frees something, as a real one would.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from typing import Any

import httpx

from bench.drill import kernels
from bench.drill.ledger import DELETED, RUNNING, STOPPED, Ledger, Promise
from bench.drill.plan import Plan
from bench.drill.requests import Asker, Mute, code

ROOM = "quota."
LIVE = frozenset({"waiting", "building", "spawning", "ready"})
WHEN = {
    "stop": LIVE,
    "cancel": frozenset({"waiting", "building"}),
    "start": frozenset({"stopped", "failed"}),
    "rebuild": frozenset({"stopped", "failed"}),
    "delete": LIVE | {"stopped", "failed", "stopping"},
    "open": frozenset({"ready"}),
    "look": LIVE | {"stopped", "failed", "stopping"},
}
OFTEN = {"open": 12, "look": 8, "start": 3, "stop": 1, "delete": 0.5, "cancel": 0.5, "rebuild": 0.3}


class Actor(threading.Thread):
    """A person's thread. At ``until`` they stop, but finish an action under way.

    ``thinking`` is the mean time between two actions, in seconds.
    """

    thinking: float

    def __init__(self, name: str, asker: Asker, plan: Plan, until: float) -> None:
        super().__init__(name=name, daemon=True)
        self.asker = asker
        self.ledger: Ledger = asker.ledger
        self._chance: random.Random = plan.chance(name)
        self._until = until

    def run(self) -> None:
        try:
            while time.monotonic() < self._until:
                self.act()
                pause = self._chance.expovariate(1 / self.thinking)
                time.sleep(min(pause, 4 * self.thinking))
        except Mute as error:
            self.ledger.accuse(f"{self.name} got no answer to {error} at all")
        except Exception as error:  # noqa: BLE001 -- it is told, and fails the drill
            self.ledger.accuse(f"{self.name} gave up: {error!r}")

    def act(self) -> None:
        """Do one thing that a person would do now. Raises `Mute`."""
        raise NotImplementedError

    def shows(self, name: str) -> dict[str, Any]:
        """Return the project as the portal shows it; {} if it does not exist. Raises `Mute`."""
        answer = self.asker.ask("GET", f"projects/{name}/")
        return dict(answer.json()) if answer.is_success else {}


class Person(Actor):
    """A person who launches one of ``urls`` now and then."""

    thinking = 4.0

    def __init__(
        self, name: str, asker: Asker, urls: Sequence[str], plan: Plan, until: float
    ) -> None:
        super().__init__(name, asker, plan, until)
        self.promises: list[Promise] = []
        self._urls = urls
        self._pace = plan.pace()
        self._next_launch = time.monotonic() + self._chance.uniform(0, self._pace)

    def act(self) -> None:
        if time.monotonic() >= self._next_launch:
            self._launch()
        elif mine := [each for each in self.promises if each.wanted != DELETED]:
            self._do_something(self._chance.choice(mine))

    def _launch(self) -> None:
        url = self._chance.choice(self._urls)
        answer = self.asker.ask("POST", "projects/", {"repository": url})
        if answer.status_code == 201:
            self._next_launch += self._pace
            self.ledger.count(self.ledger.accepted, "launch")
            promise = Promise(answer.json()["name"], self.name, url)
            self.promises.append(promise)
            self.ledger.promise(promise)
        else:
            self.ledger.count(self.ledger.refused, f"launch: {code(answer)}")
            if code(answer).startswith(ROOM):
                self._make_room(code(answer))

    def _make_room(self, reason: str) -> None:
        gone = {DELETED} if reason == "quota.projects" else {DELETED, STOPPED}
        mine = [each for each in self.promises if each.wanted not in gone]
        if mine:
            self._command(self._chance.choice(mine), "delete" if STOPPED not in gone else "stop")

    def _do_something(self, promise: Promise) -> None:
        state = self.shows(promise.name).get("state", "")
        fitting = [command for command, states in WHEN.items() if state in states]
        if not fitting:
            return
        (command,) = self._chance.choices(fitting, [OFTEN[each] for each in fitting])
        if command == "open":
            self._open(promise)
        elif command == "look":
            self.asker.ask("GET", f"projects/{promise.name}/events/")
        else:
            self._command(promise, command)

    def _command(self, promise: Promise, command: str) -> None:
        memories, promise.memories = promise.memories, []  # it may reach the portal unanswered
        answer = self._send(promise, command)
        done = answer.is_success or (command == "delete" and answer.status_code == 404)
        if done:
            promise.follow(command)
            self.ledger.count(self.ledger.accepted, command)
            return
        promise.memories = memories
        reason = code(answer)
        self.ledger.count(self.ledger.refused, f"{command}: {reason}")
        if reason.startswith(ROOM):
            self._make_room(reason)

    def _send(self, promise: Promise, command: str) -> httpx.Response:
        if command == "delete":
            return self.asker.ask("DELETE", f"projects/{promise.name}/")
        return self.asker.ask("POST", f"projects/{promise.name}/{command}/")

    def _open(self, promise: Promise) -> None:
        """Start a new kernel, or check whether an old one still holds its value."""
        try:
            if promise.memories and self._chance.random() < 0.7:
                self._compare(promise)
            elif promise.wanted == RUNNING:
                memory = kernels.remember(self.asker.api, promise.name, self._chance)
                promise.memories.append(memory)
                self.ledger.count(self.ledger.accepted, "kernel")
        except kernels.NO_ANSWER as error:
            self.ledger.count(self.ledger.unanswered, f"kernel: {type(error).__name__}")

    def _compare(self, promise: Promise) -> None:
        memory = self._chance.choice(promise.memories)
        said = kernels.recall(self.asker.api, promise.name, memory)
        self.ledger.count(self.ledger.accepted, "kernel again")
        if said != memory.shown:
            self.ledger.accuse(f"a kernel of {promise.name} held {memory.shown!r}, now {said!r}")
