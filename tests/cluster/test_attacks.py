"""The attacks of `tests/attacks`, on a portal whose notebooks and builds run on the cluster.

Attacks on the portal alone are quick enough for the single-machine check; here they are among the
long tests.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.attacks import network, sandbox, staff
from tests.attacks.attempt import KUBERNETES, Verdict, attempts, chosen, require
from tests.attacks.build import files, images
from tests.attacks.build.repository import Repository, built
from tests.attacks.cast import World
from tests.attacks.conftest import world
from tests.attacks.network import answers, messages, tickets
from tests.attacks.programs import BUILD, NOTEBOOK, Program, in_build, in_notebook
from tests.attacks.sandbox import eaters
from tests.attacks.sandbox.eaters import Eater
from tests.githttp import GitServer

__all__ = ["world"]

pytestmark = [
    pytest.mark.attacks,
    pytest.mark.cluster,
    pytest.mark.stack,
    pytest.mark.slow("attempts on a portal and a cluster", seconds=1200),
]

THROUGH_PODS = (*answers.ATTEMPTS, *messages.ATTEMPTS, *tickets.ATTEMPTS)
OTHERS = tuple(each for each in network.ATTEMPTS if each not in THROUGH_PODS)
REPOSITORIES = (*files.ATTEMPTS, *images.LAUNCHED)


@pytest.fixture(scope="session")
def attacked_backend() -> str:
    return KUBERNETES


@pytest.fixture(scope="module")
def in_a_notebook(request: pytest.FixtureRequest, world: World) -> dict[str, Verdict]:
    return in_notebook(world, chosen(request, "test_portal_withstands_code_in_a_notebook"))


@pytest.fixture(scope="module")
def in_a_step(
    request: pytest.FixtureRequest, world: World, git_server: GitServer
) -> dict[str, Verdict]:
    return in_build(
        world, git_server, chosen(request, "test_portal_withstands_code_in_a_build_step")
    )


@pytest.fixture(scope="module")
def repositories(
    request: pytest.FixtureRequest, world: World, git_server: GitServer
) -> dict[str, Verdict]:
    return built(world, git_server, chosen(request, "test_portal_withstands_files_of_a_repository"))


@attempts(sandbox.of(NOTEBOOK), KUBERNETES)
def test_portal_withstands_code_in_a_notebook(
    attempt: Program, in_a_notebook: dict[str, Verdict]
) -> None:
    require(in_a_notebook[str(attempt)])


@attempts(eaters.ATTEMPTS, KUBERNETES)
def test_portal_withstands_exhaustion_of_its_resources(attempt: Eater, world: World) -> None:
    require(attempt.tried(world))


@attempts(sandbox.of(BUILD), KUBERNETES)
def test_portal_withstands_code_in_a_build_step(
    attempt: Program, in_a_step: dict[str, Verdict]
) -> None:
    require(in_a_step[str(attempt)])


@pytest.mark.long
@attempts(REPOSITORIES, KUBERNETES)
def test_portal_withstands_files_of_a_repository(
    attempt: Repository, repositories: dict[str, Verdict]
) -> None:
    require(repositories[str(attempt)])


@attempts(THROUGH_PODS, KUBERNETES)
def test_gateway_withstands_hostile_traffic(attempt: Any, world: World) -> None:
    require(attempt.tried(world))


@pytest.mark.long
@attempts((*OTHERS, *staff.ATTEMPTS), KUBERNETES)
def test_portal_withstands_hostile_requests_and_staff(attempt: Any, world: World) -> None:
    require(attempt.tried(world))
