"""The Kubernetes back end: builds and notebooks as pods of a cluster.

It writes the wanted objects and reads the actual ones. `buildpod`, `serverpod` and `keysecret` make
the manifests, `reports`, `output` and `changes` read; `homes` keeps projects' files.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

from django.conf import settings

from keys.keypairs import SshIdentity
from sessions.backends import (
    BuildReport,
    BuildSpec,
    Capacity,
    Image,
    LogLines,
    Problem,
    ServerReport,
    ServerSpec,
)
from sessions.errors import BinderyError

from . import keysecret, namespace, output, podstatus, preflight, problems, reports, serverpod
from .bounds import require_room
from .buildpod import build_pod
from .changes import Changes, probe_addresses, read_warnings
from .cluster import Cluster, Manifest
from .homes import program
from .homes.filespods import PeoplesVolumes
from .labels import (
    BUILD_KEYS,
    BUILDS,
    CANCEL,
    KEYS_HASH,
    OURS,
    OWNER,
    PROJECT,
    REQUESTED_ACTION,
    SERVERS,
    SESSION,
    STOP,
    build_key_name,
    build_name,
    key_name,
    server_name,
)
from .namespace import Namespace, OwnedNamespace
from .output import LogCursor
from .podstatus import ReadinessProbe, annotation, is_terminating, label
from .registry import Registry
from .reports import Snapshot
from .site import IMAGE_TAG, site_from_settings

_AT_ONCE = {"gracePeriodSeconds": 0}
_TOLD_TO_STOP = {REQUESTED_ACTION: STOP}


class KubernetesBackend(PeoplesVolumes, OwnedNamespace):
    """The back end for a cluster; `sessions.backends.Backend` says what each method promises."""

    def __init__(self) -> None:
        self.site = site_from_settings()
        self._namespace = Namespace(lambda: self._cluster)
        self._cluster = Cluster(self.site.namespace, labels=self._namespace.labels)
        self._readiness = ReadinessProbe()
        self._changes: Changes | None = None

    def problems(self) -> list[Problem]:
        """Return what is not configured. Pages call this, so it does not ask the cluster."""
        return list(preflight.problems(self.site))

    def examine(self) -> Iterator[Problem]:
        """Yield problems of the registry, rights, Secrets, storage and builder."""
        return preflight.examine(
            self._cluster, self.site, lambda: self.site.registry and self.has_image("doctor")
        )

    def check_access(self) -> list[Problem]:
        """Return missing rights, and the Secrets and the ConfigMap that settings name in vain."""
        return list(preflight.check_access(self._cluster, self.site))

    def capacity(self) -> Capacity | None:
        """Return the total of all nodes that take pods, or None without the right to read nodes."""
        if (found := self._cluster.nodes()) is None:
            return Capacity(machines=self.site.machines) if self.site.machines else None
        return podstatus.capacity(found, self.site.gpu, self.site.machines)

    def prepare(self) -> None:
        """Check the connection. Raises `TemporaryError` if the cluster cannot be reached."""
        self._cluster.list("pods", {"labelSelector": OURS, "limit": 1})

    def warm_up(self) -> None:
        """Do nothing: nodes keep the layers of images that they have pulled."""

    def has_image(self, image: str) -> bool:
        """Return whether the registry has the image. Raises `TemporaryError` as in `Backend`."""
        return self._registry().digest(self.site.repository(image), IMAGE_TAG) is not None

    def is_damaged(self, image: str) -> bool:
        """Return False: registries and nodes check the digests of what they keep."""
        return False

    def images(self) -> list[Image]:
        """Return no images: a registry lists names, but cannot say whose they are."""
        return []

    def image_size(self, image: str) -> int | None:
        """Return the compressed bytes that the registry keeps; None without the image."""
        return self._registry().size(self.site.repository(image), IMAGE_TAG)

    def remove_image(self, image: str) -> None:
        """Remove the manifest; the registry's own garbage collection frees the bytes."""
        self._registry().remove(self.site.repository(image), IMAGE_TAG)

    def _registry(self) -> Registry:
        return Registry(
            self.site.registry_address,
            plain_http=self.site.plain_http,
            auth=settings.PORTAL_REGISTRY_AUTH,
        )

    def ensure_build(self, spec: BuildSpec) -> None:
        """Create the build's pod, and the Secret with its key, unless they exist.

        Raises `TemporaryError` if the existing pod belongs to another portal.
        """
        if spec.identity:  # first, or the pod would wait for it
            self._cluster.put("secrets", keysecret.build_secret(spec.id, spec.identity))
        if not self._cluster.create("pods", build_pod(spec, self.site)):
            self._namespace.require_own(self._cluster.get("pods", build_name(spec.id)))
        if spec.identity:
            self._set_key_owner(spec.id)

    def _set_key_owner(self, build_id: int) -> None:
        """Have the cluster remove the key with the build's pod, at the latest."""
        if pod := self._cluster.get("pods", build_name(build_id)):
            change = keysecret.owner_patch(pod)
            self._cluster.patch("secrets", build_key_name(build_id), change)
        else:  # it has just been forgotten
            self._cluster.delete("secrets", build_key_name(build_id))

    def cancel_build(self, build_id: int) -> None:
        """End the build's pod, which stays to report it.

        Kubernetes can only express that as an exceeded deadline.
        """
        if self._is_foreign_build(build_id):
            return
        change = {
            "metadata": {"annotations": {REQUESTED_ACTION: CANCEL}},
            "spec": {"activeDeadlineSeconds": 1},
        }
        self._cluster.patch("pods", build_name(build_id), change)
        self._cluster.delete("secrets", build_key_name(build_id))

    def _is_foreign_build(self, build_id: int) -> bool:
        """Return whether another portal in this namespace has a build with this number."""
        pod = self._build_pod(build_id)
        return pod is not None and self._namespace.is_foreign(pod)

    def forget_build(self, build_id: int) -> None:
        """Delete the build's pod at once, and its key; leave another portal's alone."""
        if self._is_foreign_build(build_id):
            return
        self._cluster.delete("pods", build_name(build_id), **_AT_ONCE)
        self._cluster.delete("secrets", build_key_name(build_id))

    def read_log(self, build_id: int, position: str) -> LogLines | None:
        """Return the next lines of the first of the build's containers that has more.

        A container that has ended is read to its end; one that runs, as far as it has come.
        """
        pod = self._build_pod(build_id)
        if pod is None:
            return None
        ended, place = output.finished_stages(pod), LogCursor.parse(position)
        while place.container in ended:
            finished = ended[place.container]
            if piece := output.read_rest(self._cluster, build_id, place, finished):
                return piece
            if place.is_last_stage:
                return None
            place = place.next_stage()
        if place.container not in output.started_stages(pod):
            return None
        if self._changes:
            return self._changes.read_log_lines(build_id, place)
        return output.read_available(self._cluster, build_id, place).to_log_lines()

    def _build_pod(self, build_id: int) -> Manifest | None:
        if self._changes and (pod := self._changes.build_pod(build_id)):
            return pod
        return self._cluster.get("pods", build_name(build_id))

    def ensure_server(self, spec: ServerSpec) -> None:
        """Create the claim, the Secrets and the pod of a run, as far as they are missing.

        Creates no pod once the run is to end. Raises `TemporaryError` if the claim belongs to
        another portal, and `UserError` if no portal made it.
        """
        self._namespace.require_own(
            namespace.ensure_claim(self._cluster, serverpod.claim(spec, self.site))
        )
        is_new = self._cluster.create("secrets", serverpod.secret(spec))
        secret = self._run_secret(spec)
        if secret is None:
            return
        uid = secret["metadata"]["uid"]
        self._put_person_key(spec, secret)
        if self.site.keep_homes:
            self._cluster.create("configmaps", program.configmap())
        self._files_pods.end(spec.volume)  # it could keep the volume on another node
        self._create_run_pod(spec, uid, is_new=is_new)
        self._put_person_key(spec, secret)  # the cluster may have just removed it
        if self._run_secret(spec) is None:  # it has just been removed
            self._cluster.delete("pods", server_name(spec))

    def _create_run_pod(self, spec: ServerSpec, uid: str, *, is_new: bool) -> None:
        """Create the pod. If the cluster refuses it, the run has not begun: it has no Secret."""
        pod = serverpod.pod(spec, self.site, uid)
        try:
            if is_new:  # or it may count already
                require_room(self._cluster, pod)
            self._cluster.create("pods", pod)
        except BinderyError:
            with suppress(BinderyError):
                if self._cluster.get("pods", server_name(spec)) is None:
                    self._cluster.delete("secrets", server_name(spec))
            raise

    def _put_person_key(self, spec: ServerSpec, run: Manifest) -> None:
        if spec.identity:
            self._cluster.put("secrets", keysecret.person_secret(spec.volume, spec.identity, run))

    def _run_secret(self, spec: ServerSpec) -> Manifest | None:
        """Return the Secret that stands for the run, or None if the run is to end."""
        secret = self._cluster.get("secrets", server_name(spec))
        return secret if secret and annotation(secret, REQUESTED_ACTION) != STOP else None

    def remove_server(self, session_id: int) -> None:
        """Mark the run as stopped, and delete its pod with the usual grace period."""
        self._request_stop(session_id)
        self._delete_pods(session_id)

    def kill_server(self, session_id: int) -> None:
        """Remove the pod without waiting for its node, which may be away and never confirm it."""
        self._request_stop(session_id)
        self._delete_pods(session_id, **_AT_ONCE)

    def _request_stop(self, session_id: int) -> None:
        for name in self._session_object_names("secrets", session_id):
            self._cluster.patch("secrets", name, {"metadata": {"annotations": _TOLD_TO_STOP}})

    def _delete_pods(self, session_id: int, **options: int) -> None:
        for name in self._session_object_names("pods", session_id):
            self._cluster.delete("pods", name, **options)

    def forget_server(self, session_id: int) -> None:
        """Delete the run's Secret, and its pod if one is left."""
        self._delete_pods(session_id, **_AT_ONCE)
        for name in self._session_object_names("secrets", session_id):
            self._cluster.delete("secrets", name)

    def why_slow(self, session_id: int, seconds: float) -> tuple[str, str]:
        """Return code and sentence about the delay, from the last output of the container."""
        for pod in self._own_objects("pods", f"{SERVERS},{SESSION}={session_id}"):
            text = output.last_lines(self._cluster, pod, problems.MAX_TAIL_LINES)
            return problems.why_slow(pod, text, seconds)
        return problems.why_slow({}, "", seconds)

    def renew_identity(self, volume: str, identity: SshIdentity) -> None:
        """Update the person's Secret and annotate their pods.

        The kubelet looks for changed Secrets about once a minute, but at once when the pod itself
        has changed. A person without a notebook has no Secret, and does not get one.
        """
        if self._cluster.patch("secrets", key_name(volume), keysecret.keys_patch(identity)):
            change = {"metadata": {"annotations": {KEYS_HASH: keysecret.keys_hash(identity)}}}
            for name in self._object_names("pods", f"{SERVERS},{OWNER}={volume}"):
                self._cluster.patch("pods", name, change)

    def forget_identity(self, volume: str) -> None:
        """Delete the person's Secret, as the cluster does after their last run; pods keep it."""
        self._cluster.delete("secrets", key_name(volume))

    def _session_object_names(self, kind: str, session_id: int) -> list[str]:
        return self._object_names(kind, f"{SERVERS},{SESSION}={session_id}")

    def _object_names(self, kind: str, selector: str) -> list[str]:
        return [item["metadata"]["name"] for item in self._own_objects(kind, selector)]

    def remove_project(self, name: str, volume: str = "") -> bool:
        """Delete the project's pods and Secrets, and its folder in the person's claim.

        A pod of its own deletes the folder; return whether it has finished.
        """
        for kind in ("pods", "secrets"):
            for each in self._object_names(kind, f"{SERVERS},{PROJECT}={name}"):
                self._cluster.delete(kind, each)
        return not volume or self._helper_pods.drop(name, volume)

    def projects(self) -> list[str]:
        """Return the projects of all runs whose objects are not on their way out."""
        things = [*self._own_objects("secrets", SERVERS), *self._own_objects("pods", SERVERS)]
        return sorted({label(thing, PROJECT) for thing in things if not is_terminating(thing)})

    def sweep(self) -> list[str]:
        """Delete keys of builds whose pod was never made, or went before the key was tied to it.

        Anything else left half made carries its run's number and is reported with it.
        """
        secrets = self._own_objects("secrets", BUILD_KEYS)
        pods = self._cluster.list("pods", {"labelSelector": BUILDS}).items  # created after its key
        now = datetime.now(UTC)
        found = reports.orphaned_keys(secrets, pods, now)
        for name in found:
            self._cluster.delete("secrets", name)
        self._sweep_helpers(now)
        return found

    def builds(self) -> list[BuildReport]:
        """Return a report for each build's pod."""
        pods = self._own_objects("pods", BUILDS)
        warnings = read_warnings(self._cluster) if pods else {}
        return list(reports.build_reports(pods, lambda pod: reports.build_report(pod, warnings)))

    def servers(self) -> list[ServerReport]:
        """Return a report for each run that has a Secret or a pod, after probing the servers."""
        pods = self._own_objects("pods", SERVERS)
        secrets = self._own_objects("secrets", SERVERS)  # later: one may be created in between
        self._readiness.probe(probe_addresses(pods))
        snapshot = Snapshot(
            secrets={secret["metadata"]["name"]: secret for secret in secrets},
            pods={pod["metadata"]["name"]: pod for pod in pods},
            ready_uids=self._readiness.ready_uids,
            warnings=read_warnings(self._cluster),
            had_pod=frozenset(),
            now=datetime.now(UTC),
        )
        return reports.reports(snapshot, self.site)

    def changes(self) -> Iterator[BuildReport | ServerReport | None]:
        """Yield reports as the cluster's watch brings changes, starting with all of them."""
        self._changes = Changes(self._cluster, self.site, self._readiness, self._namespace)
        yield from self._changes
