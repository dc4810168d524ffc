"""The cluster as its administrator sees it: namespaces, and everything in one of them."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from kubernetes import client, config
from kubernetes.stream import stream

RIGHTS = Path(__file__).resolve().parents[2] / "deploy/kubernetes/rbac.yaml"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


class Kube:
    """One namespace of the cluster."""

    def __init__(self, namespace: str) -> None:
        config.load_kube_config()
        self.namespace = namespace
        self.core: Any = client.CoreV1Api()  # takes plain dictionaries, which its types do not say
        self.host = str(urlsplit(client.Configuration.get_default_copy().host).hostname)

    @property
    def registry(self) -> str:
        return os.environ.get("TEST_REGISTRY", f"{self.host}:5000")

    def own_address(self) -> str:
        """Return this machine's address, as pods reach it."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((self.host, 9))
            return str(probe.getsockname()[0])

    def pods(self, selector: str = "") -> list[Any]:
        listing = self.core.list_namespaced_pod(self.namespace, label_selector=selector)
        return list(listing.items)

    def run(self, pod: str, command: str, container: str = "notebook") -> str:
        """Run a command in a container of a pod and return its output."""
        shell = stream(
            self.core.connect_get_namespaced_pod_exec,
            pod,
            self.namespace,
            container=container,
            command=["sh", "-c", command],
            stdout=True,
            stderr=True,
            _preload_content=False,
        )
        shell.run_forever(timeout=30)
        shell.sock.shutdown()  # which its own `close` leaves to the collector of garbage
        return str(shell.read_all())

    def names(self) -> dict[str, set[str]]:
        """Return the names of the portal's objects by kind, to compare with rows; helpers, which
        come and go, are left out.
        """
        ours = {"label_selector": "app.kubernetes.io/managed-by=bindery,bindery/kind!=helper"}
        core, namespace = self.core, self.namespace
        kinds = {
            "pods": core.list_namespaced_pod,
            "secrets": core.list_namespaced_secret,
            "claims": core.list_namespaced_persistent_volume_claim,
        }
        return {
            kind: {item.metadata.name for item in lister(namespace, **ours).items}
            for kind, lister in kinds.items()
        }


@contextmanager
def new_namespace() -> Iterator[Kube]:
    """A namespace of its own with the machine's certificates in it, deleted at the end."""
    kube = Kube(f"bindery-test-{secrets.token_hex(4)}")
    kube.core.create_namespace({"metadata": {"name": kube.namespace}})
    try:
        if CERTIFICATES.exists():
            bundle = {"metadata": {"name": "ca"}, "data": {"ca.crt": CERTIFICATES.read_text()}}
            kube.core.create_namespaced_config_map(kube.namespace, bundle)
        yield kube
    finally:
        kube.core.delete_namespace(kube.namespace)


def as_portal(kube: Kube, folder: Path) -> Path:
    """Write a configuration file for the portal's own account, which has the rights that the portal
    is installed with, and no more; return its path.
    """
    rights: Any = client.RbacAuthorizationV1Api()
    makers = {
        "ServiceAccount": kube.core.create_namespaced_service_account,
        "Role": rights.create_namespaced_role,
        "RoleBinding": rights.create_namespaced_role_binding,
    }
    for manifest in yaml.safe_load_all(RIGHTS.read_text()):
        manifest["metadata"]["namespace"] = kube.namespace
        for subject in manifest.get("subjects", []):
            subject["namespace"] = kube.namespace
        with suppress(client.ApiException):  # a second test in this namespace
            makers[manifest["kind"]](kube.namespace, manifest)
    token = kube.core.create_namespaced_service_account_token(
        "bindery", kube.namespace, {"spec": {"expirationSeconds": 4 * 3600}}
    )
    administrator = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
    path = folder / f"{kube.namespace}.kubeconfig"
    path.write_text(yaml.safe_dump(_configuration(administrator, token.status.token)))
    return path


def _configuration(administrator: dict[str, Any], token: str) -> dict[str, Any]:
    """Return the administrator's cluster with the portal's token."""
    context = {"cluster": administrator["clusters"][0]["name"], "user": "portal"}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": administrator["clusters"],
        "users": [{"name": "portal", "user": {"token": token}}],
        "contexts": [{"name": "portal", "context": context}],
        "current-context": "portal",
    }


def end_of(kube: Kube, pod: str) -> str:
    """Return the pod's last phase, "" while it runs."""
    phase: str = kube.core.read_namespaced_pod(pod, kube.namespace).status.phase
    return phase if phase in {"Succeeded", "Failed"} else ""


TEMPLATE = """
spec:
  initContainers:
  - name: owner
    image: {image}
    command: [chown, "1000:1000", /volume]
    resources: {{requests: {{cpu: 1m, memory: 1M}}, limits: {{cpu: 500m, memory: 64M}}}}
    securityContext:
      runAsUser: 0
      runAsNonRoot: false
      allowPrivilegeEscalation: false
      capabilities: {{drop: [ALL], add: [CHOWN]}}
    volumeMounts: [{{name: home, mountPath: /volume}}]
"""
"""Template for helper pods: the test cluster's volumes belong to root, as at some sites
(docs/kubernetes.md, Storage)."""


def settings_for(kube: Kube, folder: Path) -> dict[str, str]:
    """Return the environment of a portal that uses this namespace; ``folder`` must live as long as
    it.
    """
    template = folder / f"{kube.namespace}.yaml"
    template.write_text(TEMPLATE.format(image=f"{kube.registry}/jupyter:1"))
    return {
        "KUBECONFIG": str(as_portal(kube, folder)),
        "PORTAL_POD_TEMPLATE": str(template),
        "PORTAL_BACKEND": "kubernetes",
        "PORTAL_NAMESPACE": kube.namespace,
        "PORTAL_REGISTRY": f"{kube.registry}/{kube.namespace}",
        "PORTAL_REGISTRY_PLAIN_HTTP": "1",
        "PORTAL_BUILDER_IMAGE": os.environ.get(
            "TEST_BUILDER_IMAGE", f"{kube.registry}/bindery-builder:1"
        ),
        "PORTAL_PYTHON_IMAGE": f"{kube.registry}/jupyter:1",
        "PORTAL_VOLUME_GB": "1",
        "PORTAL_SECCOMP_PROFILE": os.environ.get("TEST_SECCOMP_PROFILE", ""),
        "PORTAL_CA_CONFIGMAP": "ca" if CERTIFICATES.exists() else "",
    }
