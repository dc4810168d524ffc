"""A notebook's volume claim, Secret and pod: compared whole, and checked against the rules that
always hold.
"""

from __future__ import annotations

import builtins
import json
import subprocess
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from quotas.resources import Placement
from sessions import jupyter_gateway
from sessions.backends.kubernetes import serverpod
from sessions.backends.kubernetes.homes import pods, program
from tests.kubernetes.things import BARE, FULL, SERVER, containers

LABELS = {
    "app.kubernetes.io/managed-by": "bindery",
    "bindery/kind": "server",
    "bindery/session": "9",
    "bindery/project": "ada-flowers-lrkajvgx",
    "bindery/owner": "ada",
}
CA_FILE = "/run/bindery/ca/ca.crt"
RIGHTS = {
    "allowPrivilegeEscalation": False,
    "privileged": False,
    "capabilities": {"drop": ["ALL"]},
}
POD_RIGHTS = {
    "runAsUser": 1000,
    "runAsGroup": 1000,
    "runAsNonRoot": True,
    "fsGroup": 1000,
    "fsGroupChangePolicy": "OnRootMismatch",
    "supplementalGroups": [100],
    "seccompProfile": {"type": "RuntimeDefault"},
}
ARGUMENTS = [
    "sh",
    "-c",
    serverpod._START,
    "sh",
    "--no-browser",
    "--ip=*",
    "--port=8888",
    "--port-retries=0",
]
VARIABLES = [
    {"name": "JUPYTER_CONFIG_PATH", "value": "/run/bindery/jupyter"},
    {"name": "JUPYTER_RUNTIME_DIR", "value": "/tmp/jupyter"},
    {"name": "JUPYTERHUB_USER", "value": "ada"},
    {"name": "BINDER_REPO_URL", "value": "https://git.example.org/ada/flowers"},
    {"name": "GIT_CONFIG_SYSTEM", "value": "/run/bindery/jupyter/gitconfig"},
    {"name": "CPU_LIMIT", "value": "2.5"},
    {"name": "MEM_LIMIT", "value": "2000000000"},
    {"name": "OMP_NUM_THREADS", "value": "2"},
]
MOUNTS = [
    {"name": "home", "mountPath": "/home/ada-nfs-pvc"},
    {
        "name": "home",
        "mountPath": "/home/jovyan",
        "subPath": ".bindery/projects/ada-flowers-lrkajvgx",
    },
    {"name": "jupyter", "mountPath": "/run/bindery/jupyter", "readOnly": True},
    {"name": "shm", "mountPath": "/dev/shm"},
]
ITEMS = [
    {"key": path.replace("/", "__"), "path": path}
    for path in (
        "jupyter_server_config.py",
        "jupyter_lab_config.py",
        "jupyter_notebook_config.py",
        "labconfig/default_setting_overrides.json",
        *(f"labextensions/{path}" for path in jupyter_gateway.extension_files()),
        "gitconfig",
    )
]
VOLUMES = [
    {"name": "home", "persistentVolumeClaim": {"claimName": "ada-nfs-pvc"}},
    {"name": "homes", "configMap": {"name": program.name()}},
    {
        "name": "jupyter",
        "secret": {
            "secretName": "ada-flowers-lrkajvgx-9",
            "items": ITEMS,
            "defaultMode": 0o440,
        },
    },
    {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "2000000000"}},
]


def test_a_claim_has_a_storage_class_only_if_one_is_set():
    claim: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": "ada-nfs-pvc",
            "labels": {
                "app.kubernetes.io/managed-by": "bindery",
                "bindery/kind": "volume",
                "bindery/owner": "ada",
            },
        },
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": "10000000000"}},
        },
    }
    assert serverpod.claim(SERVER, BARE) == claim
    claim["spec"] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1000000000"}},
        "storageClassName": "fast",
    }
    assert serverpod.claim(replace(SERVER, volume_gb=1), FULL) == claim


def test_the_secret_contains_the_token_and_the_jupyter_settings():
    made = serverpod.secret(SERVER)
    files = made.pop("stringData")
    assert made == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "ada-flowers-lrkajvgx-9", "labels": LABELS},
    }
    assert files.keys() == {item["key"] for item in ITEMS}
    assert json.loads(files["labconfig__default_setting_overrides.json"]) == {
        "@jupyterlab/apputils-extension:notification": {
            "fetchNews": "false",
            "checkForUpdates": False,
        }
    }
    config = executed(files["jupyter_server_config.py"])
    assert config["IdentityProvider.token"] == config["PasswordIdentityProvider.token"]
    assert config["IdentityProvider.token"] == "the token"
    assert config["ServerApp.base_url"] == "/"
    assert config["ServerApp.sock"] == config["ServerApp.certfile"] == ""
    assert config["KernelManager.transport"] == "ipc"
    assert config["ServerApp.tornado_settings"] == {"websocket_max_message_size": 64 * 1024**2}
    assert files["jupyter_lab_config.py"] == files["jupyter_server_config.py"]
    git = "[safe]\n\tdirectory = *\n[user]\n[include]\n\tpath = /etc/gitconfig\n"
    assert files["gitconfig"] == git


def executed(text: str) -> dict[str, Any]:
    """Return what a configuration file sets where there is a new jupyter_server."""
    found: dict[str, Any] = {}

    class Section:
        def __init__(self, name: str) -> None:
            vars(self)["name"] = name

        def __setattr__(self, trait: str, value: Any) -> None:
            found[f"{vars(self)['name']}.{trait}"] = value

        def __getattr__(self, trait: str) -> Any:
            return found.setdefault(f"{vars(self)['name']}.{trait}", {})

    class Root:
        def __getattr__(self, name: str) -> Section:
            return Section(name)

    identity = ModuleType("jupyter_server.auth.identity")
    vars(identity)["IdentityProvider"] = object
    traitlets = ModuleType("traitlets.config")
    vars(traitlets)["Application"] = type("Application", (), {"initialized": lambda: False})
    known = {"jupyter_server.auth.identity": identity, "traitlets.config": traitlets}
    imports = {
        "__import__": lambda name, *rest: known[name] if name in known else __import__(name, *rest)
    }
    exec(text, {"c": Root(), "__builtins__": {**vars(builtins), **imports}})
    return found


def test_safe_mode_needs_neither_the_entry_point_nor_anything_of_the_persons():
    spec = replace(SERVER, safe_mode="Your start script failed.")
    ordinary, safe = (serverpod.pod(each, BARE, "u")["spec"] for each in (SERVER, spec))
    container = safe["containers"][0]
    assert "args" not in container
    assert container["command"][:2] == ["sh", "-c"]
    assert container["command"][-4:] == ARGUMENTS[-4:]
    added = [each for each in container["env"] if each not in ordinary["containers"][0]["env"]]
    assert {each["name"] for each in added} == {
        "BINDERY_SAFE_MODE", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR",
        "PYTHONNOUSERSITE",
    }  # fmt: skip
    files = serverpod.secret(spec)["stringData"]
    notice = "labextensions__bindery-safe-mode__static__remoteEntry.js"
    assert "Your start script failed." in files[notice]
    shown = next(each for each in safe["volumes"] if each["name"] == "jupyter")
    assert {each["key"] for each in shown["secret"]["items"]} == files.keys()


def test_safe_mode_can_keep_the_entry_point_with_its_start_script():
    spec = replace(SERVER, safe_mode="Its kernel died.", keeps_start=True)
    safe, without = (
        serverpod.pod(each, BARE, "u")["spec"]["containers"][0]
        for each in (spec, replace(spec, keeps_start=False))
    )
    assert "command" not in safe
    assert safe["args"] == without["command"]
    start = {"name": "R2D_ENTRYPOINT", "value": "/run/bindery/start/start"}
    assert safe["env"] == [*without["env"], start]
    for each, told in ((spec, False), (replace(spec, keeps_start=False), True)):
        assert ("start script, " in "".join(serverpod.secret(each)["stringData"].values())) == told


def test_a_start_that_decides_about_the_build_runs_the_start_script_as_it_was_built():
    spec = replace(SERVER, safe_mode="Its kernel died.", keeps_start=True)
    decides, other = (
        serverpod.pod(each, FULL, "u")["spec"] for each in (spec, replace(spec, keeps_start=False))
    )
    mount = {"name": "start", "mountPath": "/run/bindery/start"}
    assert mount in decides["initContainers"][0]["volumeMounts"]
    assert mount | {"readOnly": True} in decides["containers"][0]["volumeMounts"]
    assert {"name": "start", "emptyDir": {}} in decides["volumes"]
    variable = {"name": "R2D_ENTRYPOINT", "value": "/run/bindery/start/start"}
    assert variable in decides["containers"][0]["env"]
    assert "/run/bindery/start" not in json.dumps(other)


def test_the_start_in_safe_mode_does_without_programs_in_the_home(tmp_path: Path):
    for name in ("home/jovyan/.local/bin", "srv/conda/envs/notebook/bin"):
        (tmp_path / name).mkdir(parents=True)
    for folder, word in (
        ("home/jovyan/.local/bin", "theirs"),
        ("srv/conda/envs/notebook/bin", "ours"),
    ):
        program = tmp_path / folder / "jupyter-lab"
        program.write_text(f'#!/bin/sh\necho {word} "$@"\n')
        program.chmod(0o755)
    text = serverpod._SAFE_START.replace("$$", "$")
    for name in ("/home/jovyan", "/opt/", "/srv/", "/sys/fs/"):  # the last: nothing to watch here
        text = text.replace(name, f"{tmp_path}{name}")
    path = f"{tmp_path}/home/jovyan/.local/bin:/usr/bin:/bin"
    done = subprocess.run(
        ["sh", "-c", text, "sh", "--no-browser"], env={"PATH": path}, capture_output=True, text=True
    )
    assert done.stdout == f"{serverpod.BEGUN_LINE}\nours --no-browser\n", done.stderr


def test_a_bare_site_gets_a_plain_pod():
    spec = replace(SERVER, digest="", resources=replace(SERVER.resources, gpu=0))
    assert serverpod.pod(spec, BARE, "uid-1") == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "ada-flowers-lrkajvgx-9",
            "labels": LABELS,
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "Secret",
                    "name": "ada-flowers-lrkajvgx-9",
                    "uid": "uid-1",
                }
            ],
        },
        "spec": {
            "hostname": "ada-flowers-lrkajvgx",
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 10,
            "securityContext": POD_RIGHTS,
            "initContainers": [pods.prepare_container(spec, BARE)],  # see test_home_pods
            "containers": [
                {
                    "name": "notebook",
                    "image": "registry.example.org/ada-flowers-c0ffee:built",
                    "args": ARGUMENTS,
                    "env": VARIABLES,
                    "ports": [{"name": "notebook", "containerPort": 8888}],
                    "resources": {
                        "requests": {
                            "cpu": "500m",
                            "memory": "1000000000",
                            "ephemeral-storage": "100M",
                        },
                        "limits": {
                            "cpu": "2500m",
                            "memory": "2000000000",
                            "ephemeral-storage": "10000000000",
                        },
                    },
                    "securityContext": RIGHTS,
                    "terminationMessagePolicy": "FallbackToLogsOnError",
                    "volumeMounts": MOUNTS,
                }
            ],
            "volumes": VOLUMES,
        },
    }


def test_a_fully_configured_site_has_every_setting_in_the_pod():
    term = {
        "labelSelector": {
            "matchLabels": {"app.kubernetes.io/managed-by": "bindery", "bindery/owner": "ada"}
        },
        "topologyKey": "kubernetes.io/hostname",
    }
    authorities = [
        "AWS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "GIT_SSL_CAINFO",
        "NODE_EXTRA_CA_CERTS",
        "PIP_CERT",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_FILE",
    ]
    digest = "sha256:" + "d" * 64
    profile = {"type": "Localhost", "localhostProfile": "bindery-notebook.json"}
    assert serverpod.pod(SERVER, FULL, "uid-1") == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "ada-flowers-lrkajvgx-9",
            "labels": LABELS,
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "Secret",
                    "name": "ada-flowers-lrkajvgx-9",
                    "uid": "uid-1",
                }
            ],
        },
        "spec": {
            "hostname": "ada-flowers-lrkajvgx",
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 10,
            "securityContext": {**POD_RIGHTS, "seccompProfile": profile},
            "initContainers": [pods.prepare_container(SERVER, FULL)],
            "containers": [
                {
                    "name": "notebook",
                    "image": f"registry.example.org:5000/team/bindery/ada-flowers-c0ffee@{digest}",
                    "args": ARGUMENTS,
                    "env": [
                        *VARIABLES,
                        *({"name": name, "value": CA_FILE} for name in authorities),
                        {"name": "HTTPS_PROXY", "value": "http://proxy.example.org:3128"},
                    ],
                    "ports": [{"name": "notebook", "containerPort": 8888}],
                    "resources": {
                        "requests": {
                            "cpu": "500m",
                            "memory": "1000000000",
                            "ephemeral-storage": "100M",
                            "example.org/gpu": "1",
                        },
                        "limits": {
                            "cpu": "2500m",
                            "memory": "2000000000",
                            "ephemeral-storage": "2000000000",
                            "example.org/gpu": "1",
                        },
                    },
                    "securityContext": RIGHTS,
                    "terminationMessagePolicy": "FallbackToLogsOnError",
                    "volumeMounts": [
                        *MOUNTS,
                        {"name": "ca", "mountPath": "/run/bindery/ca", "readOnly": True},
                    ],
                }
            ],
            "volumes": [*VOLUMES, {"name": "ca", "configMap": {"name": "authorities"}}],
            "imagePullSecrets": [{"name": "pull"}],
            "affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}},
            "priorityClassName": "notebooks",
        },
    }


@pytest.mark.parametrize("site", [BARE, FULL])
def test_the_token_is_only_in_the_secret(site):
    assert "the token" in str(serverpod.secret(SERVER))
    assert "the token" not in str(serverpod.pod(SERVER, site, "uid-1"))
    assert "the token" not in str(serverpod.claim(SERVER, site))
    assert "the token" not in repr(SERVER)


@pytest.mark.parametrize("site", [BARE, FULL])
def test_a_notebook_pod_has_no_service_account_and_no_privileges(site):
    spec = serverpod.pod(SERVER, site, "uid-1")["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert "serviceAccountName" not in spec
    for container in containers({"spec": spec}).values():
        assert container["securityContext"] == RIGHTS
        assert {"cpu", "memory", "ephemeral-storage"} <= container["resources"]["limits"].keys()
        assert not any("valueFrom" in variable for variable in container.get("env", []))


def test_the_longest_project_name_yields_valid_names_and_labels():
    longest = replace(SERVER, id=2**31, name="a" * 63)
    pod = serverpod.pod(longest, BARE, "uid-1")
    assert len(pod["spec"]["hostname"]) <= 63
    assert len(pod["metadata"]["name"]) <= 253
    assert all(len(value) <= 63 for value in pod["metadata"]["labels"].values())


def test_a_profile_decides_where_the_pod_runs_and_wins_over_the_template():
    placement = Placement(
        gpu_resource="nvidia.com/mig-1g.5gb",
        node_selector={"pool": "gpu"},
        tolerations=({"key": "gpu", "operator": "Exists"},),
        priority_class="notebooks",
        runtime_class="gvisor",
        own_users=True,
        pull_policy="Always",
        pull_secrets=("more",),
    )
    template = {"spec": {"nodeSelector": {"pool": "any", "zone": "a"}, "priorityClassName": "low",
                         "tolerations": [{"key": "a"}]}}  # fmt: skip
    site = replace(FULL, pod_template=template)
    plain = serverpod.pod(SERVER, replace(FULL, pod_template={}), "uid")
    found = serverpod.pod(replace(SERVER, placement=placement), site, "uid")
    assert found["metadata"].pop("annotations") == {"bindery/gpu-resource": "nvidia.com/mig-1g.5gb"}
    resources = found["spec"]["containers"][0].pop("resources")
    expected = plain["spec"]["containers"][0].pop("resources")
    for kind in ("requests", "limits"):
        expected[kind]["nvidia.com/mig-1g.5gb"] = expected[kind].pop("example.org/gpu")
    assert resources == expected
    assert found["spec"]["containers"][0].pop("imagePullPolicy") == "Always"
    more = {
        "nodeSelector": {"pool": "gpu", "zone": "a"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}, {"key": "a"}],
        "priorityClassName": "notebooks",
        "runtimeClassName": "gvisor",
        "hostUsers": False,
        "imagePullSecrets": [{"name": "pull"}, {"name": "more"}],
    }
    assert found == {**plain, "spec": plain["spec"] | more}


def test_without_a_profile_the_pod_says_nothing_about_it():
    spec = serverpod.pod(SERVER, BARE, "uid")["spec"]
    assert not spec.keys() & {"hostUsers", "runtimeClassName", "nodeSelector", "tolerations"}
