"""A registry that requires a name and a password, for base images and for what is built."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from sessions.backends import BuildSpec
from sessions.backends.kubernetes import KubernetesBackend
from tests.backends.waiting import finished, log
from tests.cluster.kube import Kube
from tests.kubernetes.registryserver import PERSON, RegistryServer

pytestmark = [pytest.mark.cluster, pytest.mark.slow("two builds", seconds=300)]


def test_pulls_and_pushes_of_a_private_registry_need_its_secrets(
    settings, backend: KubernetesBackend, kube: Kube, order: Callable[[dict[str, str]], BuildSpec]
) -> None:
    with RegistryServer(login=True, address=kube.own_address()) as registry:
        registry.image("base/empty", "1")
        login = {"auth": base64.b64encode(PERSON.encode()).decode()}
        auth = json.dumps({"auths": {registry.address: login}})
        kube.core.create_namespaced_secret(
            kube.namespace,
            {
                "metadata": {"name": "registry"},
                "type": "kubernetes.io/dockerconfigjson",
                "stringData": {".dockerconfigjson": auth},
            },
        )
        settings.PORTAL_REGISTRY_AUTH = auth
        backend.site = replace(
            backend.site,
            registry=f"{registry.address}/bindery",
            push_secret="registry",
            pull_secret="registry",
            base_secret="registry",
        )
        spec = order({"Dockerfile": f"FROM {registry.address}/base/empty:1\nCOPY . /files\n"})
        assert not backend.has_image(spec.image)
        backend.ensure_build(spec)
        report = finished(backend, spec)
        assert report.code == "", f"{report}\n{log(backend, spec.id)}"
        assert report.digest.startswith("sha256:")
        assert backend.has_image(spec.image)
        assert login["auth"] not in log(backend, spec.id)

        backend.site = replace(backend.site, base_secret="")
        stranger = replace(spec, id=spec.id + 1000)
        backend.ensure_build(stranger)
        assert finished(backend, stranger).code == "build.base-image"
