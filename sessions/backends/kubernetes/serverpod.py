"""Make a notebook's objects in the cluster, as pure functions: volume claim, Secret and pod.

The Secret is made first and stands for the run until that is forgotten; the pod belongs to it, so
that the cluster itself removes a pod whose Secret is gone.
"""

from __future__ import annotations

from typing import Any

from quotas.resources import Placement
from sessions import jupyter
from sessions.backends import ServerSpec

from . import entrypoint, keysecret
from .homes import pods as homes
from .homes import program
from .labels import GPU_RESOURCE, server_labels, server_name, volume_labels, volume_name
from .site import CA_FOLDER, Site, merge_template

PORT = 8888
CONFIG = "/run/bindery/jupyter"
CONTAINER = "notebook"
_RUNTIME = "/tmp/jupyter"  # noqa: S108  (the container's own; sockets need a short path)

BEGUN_LINE = "Bindery: starting JupyterLab"
"""The first line of our own start; what comes before it are the image's entry point and the
repository's start script."""

# cgroup v1 cannot kill a memory group as a whole: the kernel kills one process of the notebook and
# tells nobody. The loop notices and writes the termination message. It holds none of the
# container's streams open, because the container would not end before they are closed.
_START = (
    f"echo '{BEGUN_LINE}'\n"
    + keysecret.LINK_SCRIPT
    + """
trap 'exit 143' TERM
if command -v jupyter-lab >/dev/null; then lab=jupyter-lab
elif python3 -c 'import jupyterlab' 2>/dev/null; then lab='python3 -m jupyterlab'
else
    """
    + entrypoint.FIND_SCRIPT
    + """
    exit 1
fi
killed=/sys/fs/cgroup/memory/memory.oom_control
if grep -q ^oom_kill $killed 2>/dev/null; then
    while sleep 1; do
        grep -q '^oom_kill 0' $killed && continue
        printf '{"code": "spawn.out-of-memory"}' >/dev/termination-log
        kill $$
        break
    done >/dev/null 2>&1 </dev/null &
fi
exec $lab "$@"
"""
).replace("$", "$$")  # Kubernetes reads $$ as $


# Without the entry point, a PATH that only it sets is missing; without the person's own programs,
# theirs cannot be in the way.
_SAFE_START = (
    """\
PATH=$$(printf ':%s:' "$$PATH" | sed 's#:/home/jovyan/.local/bin:#:#g; s#^:##; s#:$$##')
for folder in /opt/conda/bin /srv/conda/envs/notebook/bin /opt/*/bin /srv/*/bin; do
    [ -x "$$folder/jupyter-lab" ] && PATH=$$PATH:$$folder
done
export PATH
"""
    + _START
)


def claim(spec: ServerSpec, site: Site) -> dict[str, Any]:
    """Return the claim of a person's own volume; it outlives all notebooks."""
    storage = {"storageClassName": site.storage_class} if site.storage_class else {}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": volume_name(spec.volume), "labels": volume_labels(spec.volume)},
        "spec": {
            "accessModes": [site.volume_access],
            "resources": {"requests": {"storage": str(int(spec.volume_gb * 1e9))}},
            **storage,
        },
    }


def secret(spec: ServerSpec) -> dict[str, Any]:
    """Return the Secret with JupyterLab's configuration and token.

    Not environment variables: every process in the container sees those.
    """
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": server_name(spec), "labels": server_labels(spec)},
        "stringData": {_key(path): text for path, text in _configuration(spec).items()},
    }


def _configuration(spec: ServerSpec) -> dict[str, str]:
    values = {
        "ServerApp.sock": "",
        "ServerApp.allow_remote_access": True,
        "KernelManager.transport": "ipc",
    }
    has_key = spec.identity is not None
    git = jupyter.git_settings(spec.author, spec.email, has_key=has_key)
    files = jupyter.config_files(
        spec.token, values, CONFIG, spec.safe_mode, keeps_start=spec.keeps_start
    )
    return {**files, jupyter.GIT_FILE: git}


def _key(path: str) -> str:
    """Return the key of a configuration file in the Secret; a key has no slashes."""
    return path.replace("/", "__")


def pod(spec: ServerSpec, site: Site, secret_uid: str) -> dict[str, Any]:
    """Return the notebook's pod, with its profile and the operator's template merged in."""
    name = server_name(spec)
    owner = {"apiVersion": "v1", "kind": "Secret", "name": name, "uid": secret_uid}
    ours = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": server_labels(spec),
            "ownerReferences": [owner],
            **_gpu_annotation(spec),
        },
        "spec": {
            "hostname": spec.name,
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 10,
            "securityContext": homes.pod_security_context(site),
            **({"initContainers": first} if (first := _init_containers(spec, site)) else {}),
            "containers": [_container(spec, site)],
            "volumes": _volumes(spec, site),
            **site.pull_secrets,
            **homes.same_node_affinity(spec.volume, site),
        },
    }
    placed = merge_template(_placement(spec.placement), ours)
    result: dict[str, Any] = merge_template(site.pod_template, placed)
    return result


def _gpu_annotation(spec: ServerSpec) -> dict[str, Any]:
    """Return the name of the notebook's GPUs for `reports`, if it is not the site's."""
    resource = spec.placement.gpu_resource
    return {"annotations": {GPU_RESOURCE: resource}} if resource and spec.resources.gpu else {}


def _placement(wanted: Placement) -> dict[str, Any]:
    """Return a profile's part of the pod, which wins over the operator's template."""
    pulled = {"name": CONTAINER, "imagePullPolicy": wanted.pull_policy}
    spec = {
        "nodeSelector": dict(wanted.node_selector),
        "tolerations": [dict(each) for each in wanted.tolerations],
        "priorityClassName": wanted.priority_class,
        "runtimeClassName": wanted.runtime_class,
        "imagePullSecrets": [{"name": each} for each in wanted.pull_secrets],
        "containers": [pulled] if wanted.pull_policy else [],
    }
    part = {key: value for key, value in spec.items() if value}
    return {"spec": part | ({"hostUsers": False} if wanted.own_users else {})}


def _init_containers(spec: ServerSpec, site: Site) -> list[dict[str, Any]]:
    """Return what runs before the notebook: the content is fetched, then all files are prepared."""
    return [
        *([homes.content_container(spec, spec.content, site)] if spec.content else []),
        *([homes.prepare_container(spec, site)] if site.keep_homes else []),
    ]


def _container(spec: ServerSpec, site: Site) -> dict[str, Any]:
    mounts: list[dict[str, Any]] = [
        *_home(spec),
        *([homes.home_mount(spec.name)] if site.keep_homes else []),
        *([homes.content_mount(spec.content)] if spec.content and not site.keep_homes else []),
        {"name": "jupyter", "mountPath": CONFIG, "readOnly": True},
        *([homes.START_MOUNT | {"readOnly": True}] if _runs_start_as_built(spec, site) else []),
        {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108  (the container's own)
    ]
    if spec.identity:
        mounts += keysecret.server_mounts()
    if site.ca_configmap:
        mounts.append({"name": "ca", "mountPath": CA_FOLDER, "readOnly": True})
    safe = jupyter.safe_mode_variables() if spec.safe_mode else {}
    if _runs_start_as_built(spec, site):
        safe |= homes.BUILT_START_VARIABLES
    variables = {**_variables(spec), **site.environment, **safe}
    return {
        "name": CONTAINER,
        "image": site.reference(spec.image, spec.digest),
        **_command(spec),
        "env": [{"name": name, "value": value} for name, value in variables.items()],
        "ports": [{"name": "notebook", "containerPort": PORT}],
        "resources": site.container_resources(spec.resources, spec.placement.gpu_resource),
        "securityContext": homes.CONTAINER_SECURITY_CONTEXT,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounts,
    }


def _command(spec: ServerSpec) -> dict[str, list[str]]:
    """Return the command.

    An ordinary start keeps the image's entry point, which may prepare it or run a start script.
    """
    options = ["--no-browser", "--ip=*", f"--port={PORT}", "--port-retries=0"]  # IPv4 and IPv6
    kind = "command" if spec.safe_mode and not spec.keeps_start else "args"
    return {kind: ["sh", "-c", _SAFE_START if spec.safe_mode else _START, "sh", *options]}


def _runs_start_as_built(spec: ServerSpec, site: Site) -> bool:
    """Return whether the start script has to be kept from being the one in the person's files."""
    return spec.keeps_start and site.keep_homes


def _home(spec: ServerSpec) -> list[dict[str, Any]]:
    """Mount the person's volume under their name, and under their former ones."""
    names = dict.fromkeys((spec.owner, *spec.former_names))
    return [{"name": "home", "mountPath": f"/home/{volume_name(name)}"} for name in names]


def _variables(spec: ServerSpec) -> dict[str, str]:
    resources = spec.resources
    return {
        "JUPYTER_CONFIG_PATH": CONFIG,
        "JUPYTER_RUNTIME_DIR": _RUNTIME,
        "JUPYTERHUB_USER": spec.owner,
        "BINDER_REPO_URL": spec.url,
        jupyter.GIT_VARIABLE: f"{CONFIG}/{jupyter.GIT_FILE}",
        "CPU_LIMIT": f"{resources.cpu_limit:g}",
        "MEM_LIMIT": str(int(resources.memory_limit_gb * 1e9)),
        "OMP_NUM_THREADS": str(max(1, int(resources.cpu_limit))),
    }


def _volumes(spec: ServerSpec, site: Site) -> list[dict[str, Any]]:
    files = [{"key": _key(path), "path": path} for path in _configuration(spec)]
    memory = int(spec.resources.memory_limit_gb * 1e9)
    volumes: list[dict[str, Any]] = [
        homes.home_volume(spec.volume),
        *([program.volume()] if site.keep_homes else []),
        *([homes.content_volume(site)] if spec.content else []),
        *([{"name": "start", "emptyDir": {}}] if _runs_start_as_built(spec, site) else []),
        {
            "name": "jupyter",
            "secret": {"secretName": server_name(spec), "items": files, "defaultMode": 0o440},
        },
        # Machine learning frameworks share data between processes here; it counts towards the
        # notebook's memory.
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": str(memory)}},
    ]
    if spec.identity:
        volumes += keysecret.server_volumes(spec.volume)
    if site.ca_configmap:
        volumes.append({"name": "ca", "configMap": {"name": site.ca_configmap}})
    return volumes
