"""Let one question to a repository's server answer many people who ask it at the same time.

A class clicks one link in the same minute: each of them would have the server say what the branch
points to. Only questions about public repositories, asked without anybody's key, are shared
(`sessions.lifecycle.builds`): what a key opens is nobody else's business.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, TypeVar

Result = TypeVar("Result")

SECONDS = 3.0
"""An answer serves who asks within so many seconds after the question was begun."""


@dataclass
class _Question:
    began: float
    answer: Future[Any] = field(default_factory=Future)
    served: set[Hashable] = field(default_factory=set)


class Sharing:
    """The questions of a process that were begun within the last `SECONDS`, or have no answer yet.

    Nobody gets one answer twice: who asks again, after a push perhaps, is answered anew.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, Lock()
        self._questions: dict[Hashable, _Question] = {}

    def ask(self, question: Hashable, person: Hashable, act: Callable[[], Result]) -> Result:
        """Return what ``act`` returns, or what it has just returned to somebody else.

        An error is raised for all who wait for the answer, and not kept.
        """
        with self._lock:
            asked, is_new = self._find(question, person)
        if is_new:
            self._run(question, asked, act)
        result: Result = asked.answer.result()
        return result

    def _find(self, question: Hashable, person: Hashable) -> tuple[_Question, bool]:
        now = self._clock()
        for key, each in [*self._questions.items()]:
            if now - each.began > SECONDS and each.answer.done():
                del self._questions[key]
        there = self._questions.get(question)
        is_new = there is None or now - there.began > SECONDS or person in there.served
        asked = _Question(now) if there is None or is_new else there
        asked.served.add(person)
        self._questions[question] = asked
        return asked, is_new

    def _run(self, question: Hashable, asked: _Question, act: Callable[[], Any]) -> None:
        try:
            asked.answer.set_result(act())
        except BaseException as error:  # noqa: BLE001 -- raised for all who wait
            with self._lock:
                if self._questions.get(question) is asked:
                    del self._questions[question]
            asked.answer.set_exception(error)
