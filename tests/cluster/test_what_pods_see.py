"""A stranger's code inside a real pod: what it sees in a step of a build, and in a notebook."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from sessions.backends import BuildSpec, ServerSpec
from sessions.backends.kubernetes import KubernetesBackend
from tests.backends.waiting import finished, log, removed, settled
from tests.cluster.kube import Kube

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow("a build and a notebook in pods", seconds=600),
]

SECRET = "no word that a pod would have by chance: 7d1e9a"
LOOK = """
for each in /proc/[0-9]*; do
    tr '\\0' '\\n' < $each/environ
    tr '\\0' ' ' < $each/cmdline
    ls -l $each/fd $each/cwd $each/root
done 2>/dev/null
sed 's/^/mount: /' /proc/mounts
find / -xdev -path /proc -prune -o -name 'token' -path '*serviceaccount*' -print
for each in /var/run/secrets /run/secrets /etc/podinfo /var/run/docker.sock; do
    [ -e $each ] && echo "there: $each"
done
grep -E '^(Seccomp|NoNewPrivs|CapEff|Uid):' /proc/self/status
echo looked
"""


@pytest.fixture(autouse=True)
def secret(monkeypatch) -> None:
    monkeypatch.setenv("PORTAL_ADMIN_PASSWORD", SECRET)


def shows_nothing_of_portal_and_cluster(text: str) -> None:
    assert "looked" in text
    assert SECRET not in text
    assert "PORTAL_" not in text and "DATABASE_URL" not in text
    assert not re.search(r"^there: ", text, re.MULTILINE)
    assert not re.search(r"^(mount: .*|/.*)serviceaccount", text, re.MULTILINE)
    # The address of the cluster itself is what Kubernetes gives to every pod; no other service's.
    services = set(re.findall(r"^(\w+)_SERVICE_HOST=", text, re.MULTILINE))
    assert services <= {"KUBERNETES"}
    assert "NoNewPrivs:\t1" in text


def test_a_build_step_sees_nothing_of_the_portal_or_the_cluster(
    backend: KubernetesBackend, order: Callable[..., BuildSpec]
) -> None:
    steps = (
        f"FROM {backend.site.python_image}\nUSER 0\nCOPY look.sh /\nRUN sh /look.sh\nUSER 1000\n"
    )
    spec = order({"Dockerfile": steps, "look.sh": LOOK}, runs=False)
    backend.ensure_build(spec)
    report = finished(backend, spec)
    text = log(backend, spec.id)
    assert report.code == "", text
    shows_nothing_of_portal_and_cluster(text)


def test_a_notebook_sees_nothing_of_the_portal_or_the_cluster(
    backend: KubernetesBackend,
    plain: BuildSpec,
    wish: Callable[..., ServerSpec],
    kube: Kube,
) -> None:
    server = wish(plain)
    backend.ensure_server(server)
    assert settled(backend, server).state == "ready"
    (pod,) = kube.pods("bindery/kind=server")
    text = kube.run(pod.metadata.name, LOOK)
    removed(backend, server.id)
    shows_nothing_of_portal_and_cluster(text)
    assert server.token not in text
    assert "Seccomp:\t2" in text and re.search(r"CapEff:\t0+\n", text)
    assert re.search(r"Uid:\t1000", text)
