"""The stages that pull and build, with real registries: a name that was let through by mistake gets
nothing all the same.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from bindery_builder import build, plan, programs, pull, registries
from bindery_builder.buildspec import BuildSpec
from bindery_builder.output import Output
from bindery_builder.result import BuildFailed

from tests.faults import SILENT, FaultyProxy
from tests.kubernetes.registryserver import GuardedRegistry, RegistryServer

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(os.geteuid() != 0, reason="buildah needs uid 0, as it has in its pod"),
]

SECRET = "somebody's"


@pytest.fixture(scope="module")
def door() -> Iterator[GuardedRegistry]:
    """A registry with what was built for somebody, a step of an earlier build, and base images."""
    with GuardedRegistry({"portal": "", "stranger": "public/"}) as registry:
        for name in ("own/ada", "own/cache-1", "own/python", "public/base"):
            registry.behind.image(name, "step-001" if "cache" in name else "1")
        yield registry


@pytest.fixture
def spec(door: GuardedRegistry, tmp_path: Path) -> BuildSpec:
    """A build that has both accounts."""
    door.asked.clear()
    made = of(door.address, tmp_path)
    for account, person in ((pull.BASE_ACCOUNT, "stranger"), (pull.PORTAL_ACCOUNT, "portal")):
        (made.accounts / account).mkdir(parents=True)
        (made.accounts / account / "config.json").write_text(door.config(person))
    return made


def of(address: str, folder: Path) -> BuildSpec:
    (folder / "work/plan").mkdir(parents=True)
    return BuildSpec(
        url="https://git.example.org/a.git",
        commit="c0ffee",
        image=f"{address}/own/x:built",
        own_prefix=f"{address}/own/",
        python_image=f"{address}/own/python:1",
        insecure=(address,),
        work=folder / "work",
        trusted=folder / "trusted",
        accounts=folder / "accounts",
    )


@pytest.fixture(autouse=True)
def tidy(tmp_path: Path) -> Iterator[None]:
    """Unmount what buildah has mounted for its storage."""
    yield
    mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for place in sorted(mounted, reverse=True):
        if Path(place).is_relative_to(tmp_path):
            subprocess.run(["umount", "--lazy", "--", place], check=True)


def pulled(spec: BuildSpec, *images: str) -> str:
    """Return what the stage prints for a plan with these images."""
    planned = plan.Plan(
        "dockerfile", has_own_dockerfile=True, context=str(spec.work), images=list(images)
    )
    (spec.plan / plan.FILE).write_text(json.dumps(dataclasses.asdict(planned)))
    log = io.BytesIO()
    try:
        pull.stage(spec, Output(log, 100_000))
    except BuildFailed as failed:
        return f"{failed.code}\n{log.getvalue().decode()}"
    return log.getvalue().decode()


def askers(door: GuardedRegistry, path: str) -> set[str]:
    """Return who was granted access to anything below the path."""
    told = {person for person, asked in door.asked if asked.startswith(f"/v2/{path}")}
    return {person for person in told if door.lets_in(person, f"/v2/{path}")}


def test_base_images_from_repositories_are_pulled_with_their_own_account(spec, door):
    said = pulled(spec, f"{door.address}/public/base:1")
    assert not said.startswith("build."), said
    assert askers(door, "public/base") == {"stranger"}


def test_the_sites_base_image_and_the_cache_use_the_portals_account(spec, door):
    spec = dataclasses.replace(spec, cache=f"{door.address}/own/cache-1")
    said = pulled(spec, f"{door.address}/own/python:1", f"{door.address}/public/base:1")
    assert "Found 1 steps." in said
    assert askers(door, "own/cache-1") == askers(door, "own/python") == {"portal"}
    assert askers(door, "public/base") == {"stranger"}


def test_a_cache_that_does_not_answer_in_time_never_fails_a_build(spec, door, monkeypatch):
    monkeypatch.setattr(programs, "CACHE_TIMEOUT", 3.0)
    host, _, port = door.address.partition(":")
    with FaultyProxy((host, int(port))) as proxy:
        proxy.fault = SILENT
        insecure = (door.address, proxy.address)
        spec = dataclasses.replace(spec, cache=f"{proxy.address}/own/cache-1", insecure=insecure)
        said = pulled(spec, f"{door.address}/public/base:1")
    assert not said.startswith("build."), said
    assert "took longer than 3 s" in said
    assert "None yet." in said


def test_an_alias_of_the_registry_gives_no_further_access(spec, door):
    """Reading cannot find that out: the account for base images has no right there."""
    other = door.address.replace("127.0.0.1", "localhost")
    for account in (pull.BASE_ACCOUNT, pull.PORTAL_ACCOUNT):
        file = spec.accounts / account / "config.json"
        file.write_text(file.read_text().replace("127.0.0.1", "localhost"))
    spec = dataclasses.replace(spec, insecure=(door.address, other))
    assert pulled(spec, f"{other}/own/ada:1").startswith("build.base-image")
    assert ("stranger", "/v2/own/ada/manifests/1") in door.asked
    assert askers(door, "own/ada") == set()


def test_buildah_and_skopeo_block_the_portals_own_path(spec, door):
    name = f"{door.address}/own/ada:1"
    with_all = registries.authfile_options(spec, pull.PORTAL_ACCOUNT)
    closed, opened = (
        registries.buildah_environment(spec),
        registries.buildah_environment(spec, closed=False),
    )
    words = [*registries.buildah_command(spec), "pull", *with_all, "--", name]
    done = subprocess.run(words, env={**os.environ, **closed}, capture_output=True, text=True)
    assert done.returncode != 0
    assert "blocked" in done.stderr
    assert door.asked == []
    subprocess.run(words, env={**os.environ, **opened}, capture_output=True, check=True)
    door.asked.clear()
    for is_closed in (True, False):
        target = f"dir:{spec.work}/copy-{is_closed}"
        words = registries.copy_command(
            spec, pull.PORTAL_ACCOUNT, f"docker://{name}", target, closed=is_closed
        )
        done = subprocess.run(words, capture_output=True, text=True)
        assert (done.returncode != 0, "blocked" in done.stderr, door.asked == []) == (
            is_closed, is_closed, is_closed
        ), done.stderr  # fmt: skip


@pytest.mark.parametrize("place", ["own", "elsewhere"])
@pytest.mark.parametrize(
    "dockerfile",
    ["FROM {there}/ada:1\n", "FROM scratch\nCOPY --from={there}/ada:1 / /x\n",
     "FROM {public}/hooked:1\nLABEL a=b\n"],
)  # fmt: skip
def test_a_build_cannot_use_an_image_that_was_not_pulled(
    dockerfile: str, place: str, tmp_path: Path
):
    """Neither one that was not seen in the Dockerfile, nor what a base image's ONBUILD names; even
    of a registry that asks nobody for a login.
    """
    with RegistryServer() as registry:
        there, public = (f"{registry.address}/{name}" for name in (place, "public"))
        registry.image(f"{place}/ada", "1")
        registry.image("public/hooked", "1", OnBuild=[f"COPY --from={there}/ada:1 / /x"])
        spec = of(registry.address, tmp_path)
        assert not pulled(spec, f"{public}/hooked:1").startswith("build.")
        (spec.plan / "Dockerfile").write_text(dockerfile.format(there=there, public=public))
        with pytest.raises(BuildFailed) as failed:
            build.stage(spec, Output(io.BytesIO(), 100_000))
        assert failed.value.code == "build.dockerfile"
