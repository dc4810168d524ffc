"""Refusals by a Git server: its status, or its own words, become a sentence for people."""

from __future__ import annotations

import pytest

from sessions.errors import TemporaryError, UserError
from sessions.git.errors import failure
from sessions.git.process import Outcome

URL = "https://git.example.org/ada/x"
STATUS = f"fatal: unable to access '{URL}/': The requested URL returned error: "
BROKEN_OFF = [
    f"fatal: unable to access '{URL}/': OpenSSL SSL_connect: SSL_ERROR_SYSCALL in connection to x",
    f"fatal: unable to access '{URL}/': OpenSSL SSL_read: Connection was reset, errno 10054",
    f"fatal: unable to access '{URL}/': gnutls_handshake() failed: Error in the pull function.",
    f"fatal: unable to access '{URL}/': GnuTLS recv error (-110): non-properly terminated",
    "error: RPC failed; curl 56 GnuTLS recv error (-54): Error in the pull function.",
    f"fatal: unable to access '{URL}/': HTTP/2 stream 1 was not closed cleanly before end",
    f"fatal: unable to access '{URL}/': Error in the HTTP2 framing layer",
    "fetch-pack: unexpected disconnect while reading sideband packet",
]


@pytest.mark.parametrize(
    ("stderr", "kind", "words"),
    [
        (f"{STATUS}429", TemporaryError, "is asked too often and refuses for now (429)"),
        (f"{STATUS}503", TemporaryError, "answered with an error (503). Try again later."),
        ("fatal: Could not resolve host: git.example.org", TemporaryError, "cannot be reached"),
        ("error: RPC failed; curl 28 Failed to connect to x", TemporaryError, "cannot be reached"),
        ("fatal: the remote end hung up unexpectedly", TemporaryError, "broke off in the middle"),
        ("error: RPC failed; curl 18 transfer closed", TemporaryError, "broke off in the middle"),
        (f"{STATUS}408", TemporaryError, "answered with an error (408). Try again later."),
        *((ended, TemporaryError, "broke off in the middle") for ended in BROKEN_OFF),
        (
            f"fatal: unable to access '{URL}-ssl-course/': Could not resolve host: x",
            TemporaryError,
            "cannot be reached",
        ),
        (
            f"fatal: unable to access '{URL}/': server certificate verification failed.",
            UserError,
            "its certificate is not valid here",
        ),
        (f"{STATUS}451", UserError, "refuses this address (error 451)"),
        (f"{STATUS}404", UserError, "does not exist or is private"),
        ("fatal: remote error: \x1b[1mno exports\x07", UserError, "refuses: [1mno exports"),
        ("fatal: protocol error: bad line length", UserError, "not like a Git server"),
    ],
)
def test_a_refusal_names_its_reason(stderr: str, kind: type, words: str):
    error = failure(Outcome(stderr=stderr), URL)
    assert (type(error), error.message.isprintable()) == (kind, True)
    assert words in error.message
