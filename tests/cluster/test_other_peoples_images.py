"""Nobody builds on what was built for somebody else: in pods, with a registry that has accounts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from sessions.backends import BuildSpec
from sessions.backends.kubernetes import KubernetesBackend, preflight
from tests.backends.waiting import finished, log
from tests.cluster.kube import Kube
from tests.kubernetes.registryserver import GuardedRegistry

pytestmark = [pytest.mark.cluster, pytest.mark.slow("several builds", seconds=400)]

Order = Callable[..., BuildSpec]


@pytest.fixture
def door(backend: KubernetesBackend, kube: Kube):
    """A registry in which the portal may do everything and builds may read base images."""
    people = {"portal": "", "stranger": "public/"}
    with GuardedRegistry(people, kube.own_address()) as registry:
        registry.behind.image("public/empty", "1")
        for person in people:
            kube.core.create_namespaced_secret(
                kube.namespace,
                {
                    "metadata": {"name": f"registry-{person}"},
                    "type": "kubernetes.io/dockerconfigjson",
                    "stringData": {".dockerconfigjson": registry.config(person)},
                },
            )
        backend.site = replace(
            backend.site,
            registry=f"{registry.address}/own",
            push_secret="registry-portal",
            pull_secret="registry-portal",
            base_secret="registry-stranger",
        )
        yield registry
        for person in people:
            kube.core.delete_namespaced_secret(f"registry-{person}", kube.namespace)


def built(backend: KubernetesBackend, spec: BuildSpec) -> tuple[str, str]:
    """Build; return how that ended, and the log."""
    backend.ensure_build(spec)
    report = finished(backend, spec)
    return report.code, log(backend, spec.id)


def test_base_images_can_be_pulled_and_other_peoples_images_cannot(
    backend: KubernetesBackend, door: GuardedRegistry, order: Order
) -> None:
    base, own = f"{door.address}/public/empty:1", f"{door.address}/own"
    adas = order({"Dockerfile": f"FROM {base}\nCOPY . /secret\n"})
    code, said = built(backend, adas)
    assert code == "", said
    code, said = built(backend, replace(adas, id=adas.id + 1000, image=f"{adas.image}-again"))
    assert code == "", said
    assert "Found " in said  # the steps of the first one, with the portal's account

    for dockerfile in (
        f"FROM {base}\nFROM\t{own}/{adas.image}:built\n",
        f"FROM {base}\nCOPY\t--from={own}/{adas.image}:built /secret /secret\n",
    ):
        code, said = built(backend, order({"Dockerfile": dockerfile}))
        assert (code, "Pulling" in said) == ("build.base-image", False), said


def test_a_base_images_onbuild_cannot_pull_another_persons_image(
    backend: KubernetesBackend, door: GuardedRegistry, order: Order
) -> None:
    door.behind.image("own/ada", "built")
    lure = [f"COPY --from={door.address}/own/ada:built / /x"]
    door.behind.image("public/hooked", "1", OnBuild=lure)
    code, said = built(backend, order({"Dockerfile": f"FROM {door.address}/public/hooked:1\n"}))
    assert code == "build.dockerfile", said
    assert not [person for person, path in door.asked if path.startswith("/v2/own/ada/")]


def test_the_doctor_checks_the_base_image_account(
    backend: KubernetesBackend, door: GuardedRegistry
) -> None:
    def found() -> set[str]:
        problems = preflight.examine(backend._cluster, backend.site, lambda: None)
        return {each.id for each in problems if each.id.startswith("registry.")}

    assert found() == set()
    backend.site = replace(backend.site, base_secret="registry-portal")
    assert found() == {"registry.base-account"}
