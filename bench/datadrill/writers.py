"""A person of the data drill, who writes files and does to projects what people do."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from bench.datadrill import notebook
from bench.datadrill.files import Shelf
from bench.datadrill.gate import Gate
from bench.datadrill.notebook import PROJECT, VOLUME
from bench.drill.people import Actor
from bench.drill.plan import Plan
from bench.drill.requests import Asker, code
from tests.githttp import GitServer

PATHS = (
    "notes.txt", "data/table.csv", ".hidden", "projects/own/.git/config", "projects/own/.env",
    "homes/.profile", "a folder/größe.txt", "deep/er/and/deeper.txt", "README.md", "data.csv",
)  # fmt: skip
"""Files of a person's own, and two that the repository has as well."""
OFTEN = {"write": 10, "remove": 1, "stop": 2, "rebuild": 1, "delete": 0.7, "look": 2}
PROJECTS = 2


@dataclass
class Work:
    """A project, and the files that its person wrote into it."""

    name: str
    shelf: Shelf = field(init=False)

    def __post_init__(self) -> None:
        self.shelf = Shelf(self.name)


class Writer(Actor):
    """A person who writes files, and acts only while ``gate`` is open."""

    thinking = 1.5

    def __init__(
        self, name: str, asker: Asker, git: GitServer, gate: Gate, plan: Plan, until: float
    ) -> None:
        super().__init__(name, asker, plan, until)
        self.username = name
        self.works: list[Work] = []
        self.volume = Shelf(f"the volume of {name}")
        self._git = git
        self._gate = gate
        self._commits = 0
        self._written = 0
        self._url = self.publish()

    def publish(self) -> str:
        """Make a new commit in the person's repository; return its address."""
        self._commits += 1
        number = self._commits
        files = {
            "README.md": f"of commit {number}\n",
            "data.csv": f"number\n{number}\n",
            "index.ipynb": "{}",
            f"added/{number % 5}.txt": f"by commit {number}\n",
        }
        return self._git.repository(f"people/{self.name}", files)

    def command(self, work: Work, verb: str) -> bool:
        """Send the command; return whether it was accepted. Raises `Mute`."""
        method, path = ("DELETE", "") if verb == "delete" else ("POST", f"{verb}/")
        answer = self.asker.ask(method, f"projects/{work.name}/{path}")
        if answer.is_success:
            self.ledger.count(self.ledger.accepted, verb)
        else:
            self.ledger.count(self.ledger.refused, f"{verb}: {code(answer)}")
        return answer.is_success

    def act(self) -> None:
        with self._gate.inside():
            if len(self.works) < PROJECTS:
                self._launch()
            else:
                self._do_something(self._chance.choice(self.works))

    def _do_something(self, work: Work) -> None:
        shown = self.shows(work.name)
        if not shown:
            self.ledger.accuse(f"{work.name} is gone, and nobody deleted it")
            self.works.remove(work)
        elif shown["state"] == "ready":
            (what,) = self._chance.choices([*OFTEN], [*OFTEN.values()])
            getattr(self, f"_do_{what}")(work)
        elif shown["state"] in {"stopped", "failed"}:
            self._begin(work)

    def _launch(self) -> None:
        answer = self.asker.ask("POST", "projects/", {"repository": self._url})
        if answer.status_code == 201:
            self.ledger.count(self.ledger.accepted, "launch")
            self.works.append(Work(answer.json()["name"]))
        else:
            self.ledger.count(self.ledger.refused, f"launch: {code(answer)}")

    def _begin(self, work: Work) -> None:
        self.command(work, "rebuild" if self._chance.random() < 0.3 else "start")

    def _do_write(self, work: Work) -> None:
        paths = self._chance.sample(PATHS, 3)
        self._put(work, PROJECT, {path: self._text(path) for path in paths[:2]})
        self._put(work, VOLUME, {paths[2]: self._text(paths[2])})

    def _do_remove(self, work: Work) -> None:
        self._put(work, PROJECT, {self._chance.choice(PATHS[:-2]): None})

    def _put(self, work: Work, place: str, texts: dict[str, str | None]) -> None:
        shelf = work.shelf if place == PROJECT else self.volume
        shelf.begin(texts)
        try:
            whole = {(place, path): text for path, text in texts.items()}
            notebook.write(self.asker.api, work.name, whole)
        except notebook.NO_ANSWER as error:
            self.ledger.count(self.ledger.unanswered, f"kernel: {type(error).__name__}")
            return
        shelf.done(texts)
        self.ledger.count(self.ledger.accepted, "files written")

    def _text(self, path: str) -> str:
        self._written += 1
        return f"{self.name} {self._written} {path}\n" * self._chance.randint(1, 200)

    def _do_look(self, work: Work) -> None:
        """Read all files of the project as they are now."""
        paths = work.shelf.paths()
        try:
            found = notebook.read(self.asker.api, work.name, [(PROJECT, path) for path in paths])
        except notebook.NO_ANSWER as error:
            self.ledger.count(self.ledger.unanswered, f"kernel: {type(error).__name__}")
            return
        for sentence in work.shelf.lost({path: found[PROJECT, path] for path in paths}):
            self.ledger.accuse(f"meanwhile, {sentence}")
        self.ledger.count(self.ledger.accepted, "files read")

    def _do_stop(self, work: Work) -> None:
        self.command(work, "stop")

    def _do_rebuild(self, work: Work) -> None:
        self.publish()
        self.command(work, "stop")  # `_begin` does the rest, now and then as a rebuild

    def _do_delete(self, work: Work) -> None:
        """Delete the project and restore it shortly after."""
        if self.command(work, "delete"):
            time.sleep(self._chance.uniform(0, 4))
            if not self.command(work, "restore"):
                self.ledger.accuse(f"{work.name} cannot be restored")
                self.works.remove(work)
