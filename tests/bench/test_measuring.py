"""The parts of a measurement that could be wrong without anybody seeing it in the figures."""

import json
import random
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from bench import peers
from bench.harness import plan
from bench.harness.ground import Ground
from bench.harness.turns import in_turn
from bench.harness.viewers import Seen
from bench.rows import ROWS, activity, lists, warm

pytestmark = pytest.mark.servers

ROOT = Path(__file__).resolve().parents[2]


def test_each_side_runs_once_per_round_in_random_order():
    order: list[str] = []

    def turn(name):
        order.append(name)
        return name

    sides = {name: partial(turn, name) for name in ("ours", "theirs")}
    given = in_turn(sides, 20, random.Random(1))
    assert given == {"ours": ["ours"] * 20, "theirs": ["theirs"] * 20}
    assert all({order[n], order[n + 1]} == set(sides) for n in range(0, 40, 2))
    assert {order[n] for n in range(0, 40, 2)} == set(sides)  # neither is always the first


def test_the_same_seed_yields_the_same_random_numbers():
    first, again = (plan.full(3).chance("api").random() for _each in range(2))
    assert first == again != plan.full(4).chance("api").random()


def test_a_viewer_counts_missing_and_misordered_lines_as_lost():
    seen = Seen()
    seen.take("Collecting packages\nline 0 0.5 ....\nline 1 0.5 ....")
    assert seen.lost(2) == 0
    assert seen.lost(5) == 3
    seen.take("line 3 0.5 ....\nline 2 0.5 ....")
    assert seen.lost(4) == 2


def test_viewers_recognize_the_lines_that_a_build_prints():
    done = subprocess.run(
        [sys.executable, ROOT / "bench/printing.py", "100", "0.2"], capture_output=True, text=True
    )
    seen = Seen()
    seen.take(done.stdout)
    assert seen.lost(20) == 0
    assert len(seen.numbers) == 20
    assert {len(line) for line in done.stdout.splitlines()} == {79}


def test_our_share_of_a_warm_launch_excludes_the_servers_start():
    moments = {name: 1.0 for _words, *both in warm.PHASES for name in both}
    moments |= {"asked": 0.0, "told": 10.0, "server began": 4.0, "server listened": 7.0}
    ours, *phases = warm.figures([moments])
    assert ours.ours == [7.0]
    assert len(phases) == len(warm.PHASES)


def test_lists_are_grouped_and_the_slowest_is_named():
    def page(name, *seconds):
        return {"name": name, "seconds": list(seconds), "queries": 1, "status": 200}

    pages = [page("home", 0.01), page("metrics", 9.0), page("a", 0.02), page("b", 0.03)]
    own, admin, slowest = lists.figures(pages, 1.0)
    assert list(own.ours) == [10.0]
    assert sorted(admin.ours) == [20.0, 30.0]
    assert slowest.what.endswith(": b")


def test_a_row_without_a_peer_can_be_measured(tmp_path):
    small = replace(plan.quick(1), notebooks=10, rounds=1)
    with ExitStack() as ends:
        took, of_a_processor = activity.measure(Ground(small, ends, tmp_path))
    assert len(took.ours) == len(of_a_processor.ours) == 1


def test_row_names_are_unique():
    assert len({row.name for row in ROWS}) == len(ROWS)


def test_peers_are_pinned_by_hash_without_urls():
    lock = json.loads((peers.FOLDER / "package-lock.json").read_text())
    packages = {name: each for name, each in lock["packages"].items() if name}
    assert all("integrity" in each and "resolved" not in each for each in packages.values())
    pins = (peers.FOLDER / "requirements.txt").read_text()
    assert "://" not in pins
    assert pins.count("==") <= pins.count("--hash=sha256:")
