"""Pods and volumes for projects' files: compared whole, and checked against the rules."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keys.keypairs import SshIdentity
from sessions.backends.kubernetes import serverpod
from sessions.backends.kubernetes.homes import pods, program
from tests.kubernetes.things import BARE, FULL, SERVER, containers

MOUNT = {"name": "home", "mountPath": "/home/jovyan", "subPath": f".bindery/projects/{SERVER.name}"}
PROGRAMS = {"name": "homes", "mountPath": "/run/bindery/homes", "readOnly": True}
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


def test_the_init_container_uses_the_notebooks_image_without_a_gpu():
    image = "registry.example.org/ada-flowers-c0ffee:built"
    assert pods.prepare_container(replace(SERVER, digest=""), BARE) == {
        "name": "bindery-files",
        "image": image,
        "command": [*program.PREPARE_COMMAND, SERVER.name, SERVER.commit],
        "resources": {
            "requests": {"cpu": "500m", "memory": "1000000000", "ephemeral-storage": "100M"},
            "limits": {
                "cpu": "2500m",
                "memory": "2000000000",
                "ephemeral-storage": "10000000000",
            },
        },
        "securityContext": RIGHTS,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "home", "mountPath": "/run/bindery/volume"}, PROGRAMS],
    }


def test_the_helper_pod_of_a_bare_site():
    assert pods.helper_pod("drop", SERVER.name, "ada", BARE) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"helper-drop-{SERVER.name}",
            "labels": {
                "app.kubernetes.io/managed-by": "bindery",
                "bindery/kind": "helper",
                "bindery/task": "drop",
                "bindery/project": SERVER.name,
                "bindery/owner": "ada",
            },
        },
        "spec": {
            "hostname": "helper",
            "restartPolicy": "Never",
            "activeDeadlineSeconds": 600,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 1,
            "securityContext": POD_RIGHTS,
            "containers": [
                {
                    "name": "helper",
                    "image": "builder:1",
                    "command": [*program.HELPER_COMMAND, "drop", SERVER.name],
                    "resources": {
                        "requests": {"cpu": "10m", "memory": "32M", "ephemeral-storage": "1M"},
                        "limits": {"cpu": "500m", "memory": "256M", "ephemeral-storage": "10M"},
                    },
                    "securityContext": {**RIGHTS, "readOnlyRootFilesystem": True},
                    "terminationMessagePolicy": "FallbackToLogsOnError",
                    "volumeMounts": [
                        {"name": "home", "mountPath": "/run/bindery/volume"},
                        PROGRAMS,
                    ],
                }
            ],
            "volumes": [
                {"name": "home", "persistentVolumeClaim": {"claimName": "ada-nfs-pvc"}},
                {"name": "homes", "configMap": {"name": program.name()}},
            ],
        },
    }


def test_the_pod_that_serves_files_has_the_rights_of_a_helper_and_no_token():
    helper, pod = (
        pods.helper_pod("drop", SERVER.name, "ada", BARE),
        pods.files_pod("ada", "a nonce", "a hash", BARE),
    )
    assert pod["metadata"] == {
        "name": "helper-files-ada",
        "labels": {
            "app.kubernetes.io/managed-by": "bindery",
            "bindery/kind": "helper",
            "bindery/task": "files",
            "bindery/owner": "ada",
        },
        "annotations": {"bindery/nonce": "a nonce"},
    }
    [container], [home, programs] = pod["spec"].pop("containers"), pod["spec"].pop("volumes")
    [other], _volumes = helper["spec"].pop("containers"), helper["spec"].pop("volumes")
    assert {**pod["spec"], "activeDeadlineSeconds": 600} == helper["spec"]
    assert container == {**other, "command": [*program.SERVE_COMMAND, "a hash"]}
    assert home == {"name": "home", "persistentVolumeClaim": {"claimName": "ada-nfs-pvc"}}
    keys = {each["key"]: each["path"] for each in programs["configMap"]["items"]}
    assert keys == {
        "folders.py": "folders.py",
        "serve.py": "serve.py",
        "zipping.py": "portal/lib/zipping.py",
        "browse.py": "sessions/repofiles/browse.py",
        "personfiles.py": "sessions/backends/personfiles.py",
    }


def test_a_helper_pod_gets_placement_but_no_privileges_from_the_template():
    where = {
        "nodeSelector": {"pool": "notebooks"},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
    }
    widening = {
        "hostNetwork": True,
        "serviceAccountName": "root",
        "initContainers": [{"name": "x"}],
    }
    site = replace(FULL, pod_template={"spec": {**where, **widening}})
    spec = pods.helper_pod("measure", SERVER.name, "ada", site)["spec"]
    assert where.items() <= spec.items()
    assert not widening.keys() & spec.keys()
    assert spec["imagePullSecrets"] == [{"name": "pull"}]
    [term] = spec["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    owner = {"app.kubernetes.io/managed-by": "bindery", "bindery/owner": "ada"}
    assert term["labelSelector"]["matchLabels"] == owner


@pytest.mark.parametrize("template", [{}, {"spec": None}, {"spec": {}}], ids=str)
def test_an_empty_template_changes_nothing_in_a_helper_pod(template):
    site = replace(BARE, pod_template=template)
    assert pods.helper_pod("drop", "p", "ada", site) == pods.helper_pod("drop", "p", "ada", BARE)


@pytest.mark.parametrize("site", [BARE, FULL])
def test_the_home_is_a_subpath_of_the_volume_with_the_keys_on_top(site):
    spec = replace(SERVER, identity=SshIdentity("private", "ssh-ed25519 AAAA", "known"))
    pod = serverpod.pod(spec, site, "uid-1")
    paths = [each["mountPath"] for each in containers(pod)["notebook"]["volumeMounts"]]
    assert MOUNT in containers(pod)["notebook"]["volumeMounts"]
    assert paths.index("/home/jovyan") < paths.index("/home/jovyan/.ssh")
    mounted = {each["name"] for each in containers(pod)["bindery-files"]["volumeMounts"]}
    assert mounted == {"home", "homes"}, "no key, no token"


@pytest.mark.parametrize("site", [BARE, FULL])
def test_a_site_that_does_not_keep_homes_has_no_init_container(site):
    pod = serverpod.pod(SERVER, replace(site, keep_homes=False), "uid-1")
    assert set(containers(pod)) == {"notebook"}
    assert "subPath" not in str(pod)
    assert program.name() not in str(pod)


def test_the_operators_init_containers_run_first():
    template = {"spec": {"initContainers": [{"name": "owner", "image": "debian"}]}}
    pod = serverpod.pod(SERVER, replace(BARE, pod_template=template), "uid-1")
    assert [each["name"] for each in pod["spec"]["initContainers"]] == ["owner", "bindery-files"]
    assert pod["spec"]["initContainers"][0] == {"name": "owner", "image": "debian"}


def test_init_containers_that_are_not_a_list_change_nothing():
    template = {"spec": {"initContainers": {"name": "odd"}}}
    pod = serverpod.pod(SERVER, replace(BARE, pod_template=template), "uid-1")
    assert pod == serverpod.pod(SERVER, BARE, "uid-1")


def test_the_config_map_is_immutable_and_named_by_its_contents():
    made = program.configmap()
    assert made["metadata"]["name"] == program.name()
    assert made["immutable"]
    assert set(made["data"]) == {
        "browse.py", "folders.py", "helper.py", "merge.py", "personfiles.py", "prepare.py",
        "serve.py", "zipping.py",
    }  # fmt: skip
    assert sum(map(len, made["data"].values())) < 500_000, "the cluster takes a million"


def test_the_longest_project_name_yields_valid_names_and_labels():
    pod = pods.helper_pod("measure", "a" * 63, "ada", BARE)
    assert len(pod["metadata"]["name"]) <= 253
    assert all(len(value) <= 63 for value in pod["metadata"]["labels"].values())
