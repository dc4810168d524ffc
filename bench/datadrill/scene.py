"""The data drill's stage and the people on it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bench.datadrill.gate import Gate
from bench.datadrill.writers import Writer
from bench.drill.ledger import Ledger
from bench.drill.stage import OwnStage


@dataclass(frozen=True)
class Scene:
    """Everything that a slip acts on; ``chance`` makes the operator's choices."""

    stage: OwnStage
    writers: Sequence[Writer]
    gate: Gate
    ledger: Ledger
    chance: random.Random

    @contextmanager
    def portal_is_down(self) -> Iterator[None]:
        """Stop the portal while nobody is at work, and start it again at the end."""
        with self.gate.closed():
            self.stage.stack.stop()
            try:
                yield
            finally:
                self.stage.stack.start()
