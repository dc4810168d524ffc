"""Attempts by a repository while it is built; see `sandbox` and `build`."""

from __future__ import annotations

import pytest

from tests.attacks import sandbox
from tests.attacks.attempt import Verdict, attempts, chosen, require
from tests.attacks.build import files, images
from tests.attacks.build.images import Read
from tests.attacks.build.repository import Repository, built
from tests.attacks.cast import World
from tests.attacks.programs import BUILD, Program, in_build
from tests.githttp import GitServer


@pytest.fixture(scope="module")
def verdicts(
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


@attempts(sandbox.of(BUILD))
def test_portal_withstands_code_in_a_build_step(
    attempt: Program, verdicts: dict[str, Verdict]
) -> None:
    require(verdicts[str(attempt)])


@attempts(files.ATTEMPTS)
def test_portal_withstands_files_of_a_repository(
    attempt: Repository, repositories: dict[str, Verdict]
) -> None:
    require(repositories[str(attempt)])


@attempts(images.READ)
def test_builder_withstands_a_hostile_dockerfile(attempt: Read) -> None:
    require(attempt.tried())
