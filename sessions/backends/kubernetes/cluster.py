"""The Kubernetes API as a few verbs on plain dictionaries, with timeouts and errors of our own.

The only module that imports the client library. Kinds are the API's own plural names; all of them
live in one namespace, except the nodes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from django.utils.translation import gettext as _
from kubernetes import client, config
from kubernetes.config.incluster_config import SERVICE_TOKEN_FILENAME
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import ConnectTimeoutError, HTTPError, ReadTimeoutError

from portal.lib.gate import Gate
from sessions.backends.messages import UNREACHABLE
from sessions.errors import BackendAway, BackendRefuses

from . import refusals

Manifest = dict[str, Any]
Query = Mapping[str, str | int]

MAX_CONNECTIONS = 256
"""Maximum number of open connections; each followed log holds one."""
CONNECT_SECONDS = 5
READ_SECONDS = 20
PAGE_SECONDS = 3
MAX_WAITING, PAUSE_SECONDS = 64, 5.0
"""Calls of a process at once; seconds without one after an answer that did not come in time. watch
makes several calls in a row, and must not wait for each.
"""
STREAM_SILENCE_SECONDS = 90
"""A stream silent for this long is considered broken; the server ends a watch before that."""
WATCH_SECONDS = 60
MAX_LINE_BYTES = 1_000_000
_API = "/api/v1"
_IN_POD = Path(SERVICE_TOKEN_FILENAME)
_APPS = "/apis/apps/v1"
_REVIEWING, _REVIEWS = "/apis/authorization.k8s.io/v1", "selfsubjectaccessreviews"
_RULES = "selfsubjectrulesreviews"


class Expired(Exception):
    """The version from which a watch was to continue is too old: list again."""


class Listing(NamedTuple):
    """The objects, and the version from which a watch continues."""

    items: list[Manifest]
    version: str


class Cluster:
    """A namespace of a cluster, reached through its API.

    ``kubeconfig`` is a file; without one, the usual places are searched. ``stream_timeout``
    is how many seconds to wait for data on a stream, ``read_timeout`` for an answer. ``labels``
    returns the labels put on everything that is created.
    """

    def __init__(
        self,
        namespace: str,
        kubeconfig: str = "",
        *,
        stream_timeout: float = STREAM_SILENCE_SECONDS,
        read_timeout: float = READ_SECONDS,
        labels: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._namespace = namespace
        self._root = f"{_API}/namespaces/{namespace}"
        self._config_arguments = {"config_file": kubeconfig} if kubeconfig else {}
        self._stream_timeout = stream_timeout
        self._read_timeout = read_timeout
        self._labels = labels
        self._gate = Gate("the cluster", PAUSE_SECONDS, MAX_WAITING)

    @cached_property
    def hasty(self) -> Cluster:
        """Return the same namespace for requests of people, who wait only a few seconds."""
        kubeconfig = self._config_arguments.get("config_file", "")
        return Cluster(self._namespace, kubeconfig, read_timeout=PAGE_SECONDS, labels=self._labels)

    def create(self, kind: str, manifest: Manifest) -> bool:
        """Create it; return False if one with that name exists."""
        body = manifest if kind == "configmaps" else self._labelled(manifest)
        status, _answer = self._call("POST", kind, body=body, tolerated={409})
        return status != 409

    def put(self, kind: str, manifest: Manifest) -> None:
        """Create it, or merge it into the one with that name."""
        name = manifest["metadata"]["name"]
        if not self.patch(kind, name, manifest) and not self.create(kind, manifest):
            self.patch(kind, name, manifest)  # another process has just created it

    def get(self, kind: str, name: str) -> Manifest | None:
        """Return the object, or None if it does not exist."""
        status, answer = self._call("GET", f"{kind}/{name}", tolerated={404})
        return None if status == 404 else answer

    def patch(self, kind: str, name: str, change: Manifest) -> bool:
        """Merge the change into it, replacing lists (RFC 7396); return False if it is not there."""
        status, _answer = self._call("PATCH", f"{kind}/{name}", body=change, tolerated={404})
        return status != 404

    def change_workload(self, kind: str, name: str, change: Manifest) -> bool:
        """Merge the change into a DaemonSet or Deployment; return False if it does not exist."""
        path = f"namespaces/{self._namespace}/{kind}/{name}"
        status, _answer = self._call("PATCH", path, body=change, tolerated={404}, root=_APPS)
        return status != 404

    def delete(self, kind: str, name: str, **options: Any) -> None:
        """Delete it; does nothing if it does not exist."""
        self._call("DELETE", f"{kind}/{name}", body=options, tolerated={404, 409})

    def list(self, kind: str, query: Query) -> Listing:
        """Return all objects of a kind that match the query."""
        _status, answer = self._call("GET", kind, query=query)
        return Listing(answer["items"], answer["metadata"]["resourceVersion"])

    def nodes(self) -> Sequence[Manifest] | None:
        """Return all nodes of the cluster; None where the portal may not read them."""
        try:
            items: Sequence[Manifest] = self._call("GET", "nodes", root=_API)[1]["items"]
        except BackendRefuses:
            return None
        return items

    def bounds(self, kind: str) -> Sequence[Manifest]:
        """Return its quotas or limit ranges; none where the portal may not read them."""
        try:
            return self.list(kind, {}).items
        except BackendRefuses:
            return ()

    def may(self, verb: str, kind: str) -> bool:
        """Return whether the portal has this right in the namespace; ``pods/log`` is a kind."""
        resource, _slash, subresource = kind.partition("/")
        wanted = {"verb": verb, "resource": resource, "subresource": subresource}
        spec = {"resourceAttributes": {"namespace": self._namespace, **wanted}}
        _status, answer = self._call("POST", _REVIEWS, body={"spec": spec}, root=_REVIEWING)
        return bool(answer["status"]["allowed"])

    def rights(self) -> Callable[[str, str], bool]:
        """Return a function that says whether the portal surely may do ``verb`` to ``kind``.

        The cluster may grant more than it lists; `may` knows each right.
        """
        body = {"spec": {"namespace": self._namespace}}
        status = self._call("POST", _RULES, body=body, root=_REVIEWING)[1]["status"]
        given = [rule for rule in status["resourceRules"] if not rule.get("resourceNames")]

        def may(verb: str, kind: str) -> bool:
            return any(
                {"", "*"} & set(rule.get("apiGroups") or [])
                and {kind, "*"} & set(rule.get("resources") or [])
                and {verb, "*"} & set(rule["verbs"])
                for rule in given
            )

        return may

    def exists(self, path: str) -> bool | None:
        """Return whether an object outside the namespace exists; None if looking is forbidden."""
        try:
            root, _slash, name = path.rpartition("/")
            status, _answer = self._call("GET", name, tolerated={404}, root=root)
        except BackendRefuses:
            return None
        return status != 404

    def watch(self, kind: str, query: Query, version: str) -> Iterator[tuple[str, Manifest]]:
        """Yield what happens after ``version`` as (ADDED | MODIFIED | DELETED | BOOKMARK, object).

        Ends after a minute; the caller starts it again. Raises `Expired`.
        """
        more: Query = {
            **query,
            "watch": "true",
            "resourceVersion": version,
            "timeoutSeconds": WATCH_SECONDS,
            "allowWatchBookmarks": "true",
        }
        with self._stream(kind, more) as lines:
            for line in lines:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise Expired(event["object"].get("message", ""))
                yield event["type"], event["object"]

    def log(
        self, pod: str, container: str, *, since: str = "", follow: bool = False, tail: int = 0
    ) -> Iterator[bytes]:
        """Yield a container's lines, each prefixed with its time; none if it has not started.

        ``since`` is a time to the second; ``tail`` is how many of the last lines, 0 for all.
        """
        query: dict[str, str | int] = {"container": container, "timestamps": "true"}
        if since:
            query["sinceTime"] = since
        if follow:
            query["follow"] = "true"
        if tail:
            query["tailLines"] = tail
        with self._stream(f"pods/{pod}/log", query) as lines:
            yield from lines

    def _labelled(self, manifest: Manifest) -> Manifest:
        about = manifest["metadata"]
        labels = {**about.get("labels", {}), **self._labels()}
        return {**manifest, "metadata": {**about, "labels": labels}} if labels else manifest

    @cached_property
    def _client(self) -> client.ApiClient:
        configuration = client.Configuration()
        is_pod = not self._config_arguments and "KUBECONFIG" not in os.environ and _IN_POD.exists()
        # In a pod, the other one prints on standard output that it might not work.
        load: Any = config.load_incluster_config if is_pod else config.load_config
        try:
            load(client_configuration=configuration, **self._config_arguments)
        except config.ConfigException as error:
            message = _("No cluster is configured: %(why)s") % {"why": error}
            raise BackendAway(UNREACHABLE, message) from None
        configuration.connection_pool_maxsize = MAX_CONNECTIONS
        configuration.retries = False
        return client.ApiClient(configuration)

    def _has_other_credentials(self) -> bool:
        """Read the credentials again, which may have been renewed; return whether they differ."""
        used = self.__dict__.pop("_client", None)
        new = self._client.configuration
        return used is None or (
            (used.configuration.api_key, used.configuration.cert_file)
            != (new.api_key, new.cert_file)
        )

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Manifest | None = None,
        tolerated: Iterable[int] = (),
        root: str = "",
    ) -> tuple[int, Any]:
        whole = f"{root or self._root}/{path}"
        with _translate_errors(), self._gate.guard(ConnectTimeoutError, ReadTimeoutError):
            response = self._request(method, whole, query or {}, body, self._read_timeout)
            raw = response.data
            if response.status == 401 and self._has_other_credentials():
                response = self._request(method, whole, query or {}, body, self._read_timeout)
                raw = response.data
        if response.status >= 400 and response.status not in tolerated:
            raise refusals.error_from_response(response.status, raw, path)
        return response.status, json.loads(raw or b"{}")

    @contextmanager
    def _stream(self, path: str, query: Query) -> Iterator[Iterator[bytes]]:
        with _translate_errors():
            response = self._request(
                "GET", f"{self._root}/{path}", query, None, self._stream_timeout
            )
            try:
                if response.status == 410:
                    raise Expired
                if response.status == 401:
                    self._has_other_credentials()  # for the next one
                if response.status in {400, 404}:  # not started yet, or gone
                    yield iter(())
                elif response.status >= 400:
                    raise refusals.error_from_response(response.status, response.data, path)
                else:
                    yield _lines(response)
            finally:
                response.close()

    def _request(
        self, method: str, path: str, query: Query, body: Manifest | None, seconds: float
    ) -> BaseHTTPResponse:
        kind = "merge-patch+json" if method == "PATCH" else "json"
        parameters = self._client.param_serialize(
            method,
            path,
            query_params=list(query.items()),
            header_params={"Accept": "application/json", "Content-Type": f"application/{kind}"},
            body=body,
            auth_settings=["BearerToken"],
        )
        timeout = (min(CONNECT_SECONDS, seconds), seconds)
        response: BaseHTTPResponse = self._client.call_api(
            *parameters, _request_timeout=timeout
        ).response
        return response


def _lines(response: BaseHTTPResponse) -> Iterator[bytes]:
    """Yield whole lines as they come; drop a partial last line if the stream breaks."""
    rest = b""
    for piece in response.stream(None):
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
        if len(rest) > MAX_LINE_BYTES:
            rest = b""


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except (HTTPError, ConnectionError, TimeoutError, client.ApiException) as error:
        silent = _("it does not answer") if isinstance(error, ReadTimeoutError) else str(error)
        message = _("The cluster cannot be reached right now: %(why)s.")
        raise BackendAway(UNREACHABLE, message % {"why": silent[:200]}) from error
