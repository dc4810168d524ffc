"""One question to a Git server answers all who ask it meanwhile, and nobody twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from sessions.errors import TemporaryError
from sessions.git.sharing import SECONDS, Sharing

HEAD = ("ref", "https://example.org/a.git", "main")


class Server:
    """A Git server whose branch moves with each answer; ``times`` counts the questions."""

    def __init__(self) -> None:
        self.times, self.now = 0, 0.0
        self.sharing = Sharing(lambda: self.now)

    def answer(self) -> int:
        self.times += 1
        return self.times

    def ask(self, person: str, question: object = HEAD) -> int:
        return self.sharing.ask(question, person, self.answer)


@pytest.fixture
def server() -> Server:
    return Server()


def test_a_crowd_is_answered_by_one_question(server):
    assert {server.ask(f"person {number}") for number in range(60)} == {1}
    assert server.times == 1


def test_each_question_has_its_own_answer(server):
    assert server.ask("ada") == 1
    assert server.ask("bob", (*HEAD[:2], "other")) == 2


def test_who_asks_again_after_a_push_gets_the_new_commit(server):
    assert [server.ask("ada"), server.ask("bob"), server.ask("ada")] == [1, 1, 2]


def test_an_answer_is_kept_for_seconds_from_when_it_was_asked(server):
    server.ask("ada")
    server.now = SECONDS
    assert server.ask("bob") == 1
    server.now = SECONDS + 0.1
    assert server.ask("eve") == 2


def test_those_who_come_while_it_is_asked_wait_for_the_answer(server):
    asked, answered = Event(), Event()

    def slowly() -> int:
        asked.set()
        answered.wait()
        return server.answer()

    with ThreadPoolExecutor(11) as threads:
        first = threads.submit(server.sharing.ask, HEAD, "ada", slowly)
        asked.wait()
        others = [threads.submit(server.ask, f"person {number}") for number in range(10)]
        answered.set()
        assert {each.result() for each in [first, *others]} == {1}


def test_an_error_is_not_kept(server):
    def fail() -> int:
        raise TemporaryError("git.unreachable", "The server is not there.")

    with pytest.raises(TemporaryError):
        server.sharing.ask(HEAD, "ada", fail)
    assert server.ask("bob") == 1


def test_nothing_is_kept_for_longer(server):
    for number in range(1000):
        server.now += 1
        server.ask("ada", ("ref", number))
    assert len(server.sharing._questions) <= SECONDS + 1
