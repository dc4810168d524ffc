"""A long-lived Django shell of a whole portal: tests that ask often need not start one each time.

    with Shell(stack) as shell:
        shell.ask("User.objects.count()")

The portal must have run before, so that its database exists.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Self

from tests.stack import PROJECT, Stack

ANSWER = """
import sys
from portal.models import SignIn, User
for question in sys.stdin:
    exec(f"print({question})")
    sys.stdout.flush()
"""


class Shell:
    """A shell that answers questions while the `with` block lasts."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def __enter__(self) -> Self:
        words = [sys.executable, "manage.py", "shell", "-v0", "-c", ANSWER]
        self._process = subprocess.Popen(
            [*self._stack.inside, *words],
            cwd=PROJECT,
            env=self._stack.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *why: object) -> None:
        self._process.communicate()  # it ends with its input

    def ask(self, question: str) -> str:
        """Return the line that ``print(question)`` prints there; ``User`` and ``SignIn`` are
        defined.

        Raises `AssertionError` if the question is an error.
        """
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(f"{question}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, f"no answer to: {question}"
        return answer.strip()
