"""The operator's settings for builds and notebooks on Kubernetes, as one value.

Manifests are pure functions of this and of a spec. `merge_template` merges an operator's pod
template under the portal's manifest, which always wins.

The portal alone decides what the pod and its own container may do: a template cannot add a
capability there. Other containers, and pod-level keys that only the template has, are merged in;
`preflight` reports those that would undo the portal's restrictions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings
from django.utils.translation import gettext as _

from quotas.resources import Resources
from sessions.git import archive

_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
CA_FOLDER = "/run/bindery/ca"
CA_FILE = f"{CA_FOLDER}/ca.crt"
_CA_VARIABLES = (
    "AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS", "PIP_CERT",
    "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE",
)  # fmt: skip


@dataclass(frozen=True)
class Site:
    """The operator's settings for one cluster.

    ``registry`` is host[:port]/path of the images; sizes are bytes, times seconds. ``variables``
    (proxies, package indexes) and the site's own certificate authorities in ``ca_configmap`` go
    into build steps and notebooks. ``base_secret`` gives access to the images that repositories
    name, and to nothing of the portal's own. With ``keep_homes``, /home/jovyan is kept in the
    person's volume. ``pod_template`` is an operator's part of the notebooks' pods.
    ``machines`` are CPUs, memory in GB and GPUs of the machines that an autoscaler can add.
    ``archive_hosts`` and ``archive_trusted`` are the stand-ins of archives' hosts, and the private
    hosts that the portal's fetcher may reach for archives.
    ``seccomp_profile`` is a file on each node, below the kubelet's folder of profiles.
    ``invalid_settings`` maps names of settings that could not be read to the reason.
    """

    namespace: str
    registry: str
    plain_http: bool
    builder_image: str
    base_image: str
    python_image: str
    push_secret: str
    pull_secret: str
    build_cpu: float
    build_memory: int
    build_disk: int
    build_seconds: int
    log_limit: int
    repository_limit: int
    storage_class: str
    volume_access: str
    gpu: str
    notebook_disk: int
    ca_configmap: str
    base_secret: str = ""
    keep_homes: bool = True
    seccomp_profile: str = ""
    machines: tuple[tuple[float, float, float], ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    archive_hosts: dict[str, str] = field(default_factory=dict)
    archive_trusted: tuple[str, ...] = ()
    pod_template: dict[str, Any] = field(default_factory=dict)
    invalid_settings: dict[str, str] = field(default_factory=dict)

    @property
    def registry_address(self) -> str:
        """Return the registry's ``host[:port]``; "" without a registry."""
        return self.registry.partition("/")[0]

    @property
    def registry_path(self) -> str:
        """Return the path of the images in the registry, without a slash at its ends."""
        return self.registry.partition("/")[2]

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables of build steps and notebooks: the site's, its authorities' paths."""
        authorities = dict.fromkeys(_CA_VARIABLES, CA_FILE) if self.ca_configmap else {}
        return {**authorities, **self.variables}

    @property
    def pull_secrets(self) -> dict[str, list[dict[str, str]]]:
        """Return the part of a pod that lets the node pull private images."""
        return {"imagePullSecrets": [{"name": self.pull_secret}]} if self.pull_secret else {}

    @property
    def seccomp(self) -> dict[str, str]:
        """Return the seccomp profile of pods that run untrusted code."""
        if not self.seccomp_profile:
            return {"type": "RuntimeDefault"}
        return {"type": "Localhost", "localhostProfile": self.seccomp_profile}

    def repository(self, image: str) -> str:
        """Return an image's repository in the registry, without the registry's address."""
        return f"{self.registry_path}/{image}".lstrip("/")

    def reference(self, image: str, digest: str = "") -> str:
        """Return the image as a pod names it; with a digest, it cannot be swapped for another."""
        name = f"{self.registry_address}/{self.repository(image)}"
        return f"{name}@{digest}" if digest else f"{name}:{IMAGE_TAG}"

    def container_resources(
        self, wanted: Resources, gpu_resource: str = ""
    ) -> dict[str, dict[str, str]]:
        """Return requests and limits of a notebook's container."""
        gpu = {gpu_resource or self.gpu: str(wanted.gpu)} if wanted.gpu else {}
        return {
            "requests": {
                "cpu": millicpus(wanted.cpu_request),
                "memory": str(int(wanted.memory_request_gb * 1e9)),
                "ephemeral-storage": "100M",  # without it, Kubernetes would reserve the whole limit
                **gpu,
            },
            "limits": {
                "cpu": millicpus(wanted.cpu_limit),
                "memory": str(int(wanted.memory_limit_gb * 1e9)),
                "ephemeral-storage": str(self.notebook_disk),
                **gpu,
            },
        }


IMAGE_TAG = "built"


def millicpus(number: float) -> str:
    """Return a number of CPUs in Kubernetes' thousandths."""
    return f"{int(number * 1000)}m"


def _own_namespace() -> str:
    """Return the namespace that the portal itself runs in."""
    return _OWN_NAMESPACE.read_text().strip() if _OWN_NAMESPACE.exists() else "bindery"


def _read_template() -> tuple[dict[str, Any], str]:
    """Return the operator's part of a pod, or why it cannot be used."""
    name = settings.PORTAL_POD_TEMPLATE
    try:
        found = yaml.safe_load(Path(name).read_text(encoding="utf-8")) if name else {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        return {}, str(error)
    return (found, "") if isinstance(found, dict) else ({}, _("it is not part of a pod"))


def _parse_variables() -> tuple[dict[str, str], str]:
    pairs = [word.partition("=") for word in settings.PORTAL_SITE_VARIABLES]
    wrong = [name for name, equals, _value in pairs if not (name and equals)]
    found = {name: value for name, equals, value in pairs if name and equals}
    return found, _("“%(word)s” is not NAME=value") % {"word": wrong[0]} if wrong else ""


def _parse_machines() -> tuple[tuple[tuple[float, float, float], ...], str]:
    """Return CPUs, memory and GPUs of each kind of machine, or why they cannot be read."""
    found = []
    for word in settings.PORTAL_MACHINES:
        try:
            cpu, memory, gpu = (float(number) for number in word.split(":"))
        except ValueError:
            return (), _("“%(word)s” is not CPUS:GB:GPUS, such as 64:256:0") % {"word": word}
        found.append((cpu, memory, gpu))
    return tuple(found), ""


def site_from_settings() -> Site:
    """Return the site from the settings; never fails, see `Site.invalid_settings`."""
    template, wrong_template = _read_template()
    variables, wrong_variables = _parse_variables()
    machines, wrong_machines = _parse_machines()
    wrong = {
        "PORTAL_POD_TEMPLATE": wrong_template,
        "PORTAL_SITE_VARIABLES": wrong_variables,
        "PORTAL_MACHINES": wrong_machines,
    }
    return Site(
        namespace=settings.PORTAL_NAMESPACE or _own_namespace(),
        registry=settings.PORTAL_REGISTRY.strip("/"),
        plain_http=settings.PORTAL_REGISTRY_PLAIN_HTTP,
        builder_image=settings.PORTAL_BUILDER_IMAGE,
        base_image=settings.PORTAL_BUILD_BASE_IMAGE,
        python_image=settings.PORTAL_PYTHON_IMAGE,
        push_secret=settings.PORTAL_PUSH_SECRET,
        pull_secret=settings.PORTAL_PULL_SECRET,
        base_secret=settings.PORTAL_BASE_SECRET,
        build_cpu=settings.PORTAL_BUILD_CPU,
        build_memory=int(settings.PORTAL_BUILD_MEMORY_GB * 1e9),
        build_disk=settings.PORTAL_BUILD_DISK_MB * 10**6,
        build_seconds=settings.PORTAL_BUILD_TIMEOUT,
        log_limit=settings.PORTAL_LOG_LIMIT_MB * 10**6,
        repository_limit=settings.PORTAL_REPOSITORY_LIMIT_MB * 10**6,
        storage_class=settings.PORTAL_STORAGE_CLASS,
        volume_access=settings.PORTAL_VOLUME_ACCESS,
        gpu=settings.PORTAL_GPU_RESOURCE,
        notebook_disk=int(settings.PORTAL_NOTEBOOK_DISK_GB * 1e9),
        ca_configmap=settings.PORTAL_CA_CONFIGMAP,
        keep_homes=settings.PORTAL_KEEP_HOMES,
        seccomp_profile=settings.PORTAL_SECCOMP_PROFILE,
        machines=machines,
        variables=variables,
        archive_hosts=settings.PORTAL_ARCHIVE_HOSTS,
        archive_trusted=tuple(sorted(archive.fetch_rules().trusted)),
        pod_template=template,
        invalid_settings={name: why for name, why in wrong.items() if why},
    )


_NOT_MERGED = {"securityContext"}
"""Keys whose value is not merged: an addition would loosen what the portal restricts."""
_THEIRS_FIRST = {"initContainers"}
"""Keys of lists whose order matters: the operator's items prepare what ours need, such as a volume
whose folders belong to another user."""


def merge_template(template: Any, manifest: Any) -> Any:
    """Return ``manifest`` with everything that only ``template`` has.

    Mappings are merged key by key; lists of named things (containers, volumes, variables) by name;
    other lists are concatenated, the manifest's first except for `_THEIRS_FIRST`. If both have a
    value, the manifest's wins. A `_NOT_MERGED` key is taken from the manifest alone.
    """
    if isinstance(template, dict) and isinstance(manifest, dict):
        shared = (template.keys() & manifest.keys()) - _NOT_MERGED
        both = {key: merge_template(template[key], manifest[key]) for key in shared - _THEIRS_FIRST}
        for key in shared & _THEIRS_FIRST:
            both[key] = _merge_lists(template[key], manifest[key], theirs_first=True)
        return {**template, **manifest, **both}
    if isinstance(template, list) and isinstance(manifest, list):
        return _merge_lists(template, manifest)
    return manifest


def _merge_lists(template: Any, ours: list[Any], *, theirs_first: bool = False) -> list[Any]:
    if not isinstance(template, list):
        return ours
    theirs = {item["name"]: item for item in template if _is_named(item)}
    known = {item["name"] for item in ours if _is_named(item)}
    more = [item for item in template if not _is_named(item) or item["name"] not in known]
    both = [_find_same_name(theirs, item) for item in ours]
    return more + both if theirs_first else both + more


def _find_same_name(theirs: dict[str, Any], item: Any) -> Any:
    return merge_template(theirs.get(item["name"], {}), item) if _is_named(item) else item


def _is_named(item: Any) -> bool:
    return isinstance(item, dict) and "name" in item
