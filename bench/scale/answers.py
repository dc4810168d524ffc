"""Answer as a notebook, as a registry and, with TLS, as a kubelet that is asked for logs."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kubernetes import client

from bench.harness.waiting import until
from bench.scale.kubelet import STEP_SECONDS
from bench.scale.pods import DIGEST, log_lines

IMAGE = json.dumps({"config": {"size": 1000}, "layers": [{"size": 100_000_000}]}).encode()
"""A manifest, as far as the portal reads it."""
SIGNER = "kubernetes.io/kubelet-serving"


class _Answering(BaseHTTPRequestHandler):
    """Answers all three kinds of requests; their paths differ."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self._body(urlsplit(self.path).path)
        if "follow=true" in self.path:
            time.sleep(STEP_SECONDS)  # the container goes on for as long
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Docker-Content-Digest", DIGEST)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_POST = do_GET  # noqa: N815 -- names of the base class

    def log_message(self, *_words: object) -> None:
        """Write nothing."""

    def _body(self, path: str) -> bytes:
        if path.startswith("/v2/"):
            return IMAGE
        if path.startswith("/containerLogs/"):
            return log_lines()
        return b"[]" if path == "/api/kernels" else b'{"version": "2"}'


class _Server(ThreadingHTTPServer):
    request_queue_size = 1000
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore visitors that go away."""


@contextmanager
def answering(address: str, port: int, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Listen there until the `with` block ends; yield the port, a free one for 0."""
    server = _Server((address, port), _Answering)
    if context:
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def kubelet_context(address: str) -> ssl.SSLContext:
    """Return a context with a certificate that the cluster has signed for a kubelet there."""
    requests: Any = client.CertificatesV1Api()
    name = "bindery-simulated-kubelet"
    with tempfile.TemporaryDirectory() as folder:
        key, wish, made = (Path(folder) / each for each in ("key", "csr", "crt"))
        words = ["openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key)]
        words += ["-subj", "/O=system:nodes/CN=system:node:simulated", "-out", str(wish)]
        words += ["-addext", f"subjectAltName=IP:{address}"]
        subprocess.run(words, check=True, capture_output=True)
        spec = {
            "request": base64.b64encode(wish.read_bytes()).decode(),
            "signerName": SIGNER,
            "usages": ["digital signature", "key encipherment", "server auth"],
        }
        body = {"metadata": {"name": name}, "spec": spec}
        requests.create_certificate_signing_request(body)
        try:
            made.write_bytes(_signed(requests, name))
        finally:
            requests.delete_certificate_signing_request(name)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(made, key)
    return context


def _signed(requests: Any, name: str) -> bytes:
    """Approve the request; return the certificate."""
    asked = requests.read_certificate_signing_request(name)
    approved = {"type": "Approved", "status": "True", "reason": "Simulated", "message": "simulated"}
    asked.status.conditions = [approved]
    requests.replace_certificate_signing_request_approval(name, asked)
    found: list[str] = []

    def is_signed() -> bool:
        found[:] = [requests.read_certificate_signing_request(name).status.certificate or ""]
        return bool(found[0])

    until(is_signed, 30, "a certificate for the kubelet")
    return base64.b64decode(found[0])
