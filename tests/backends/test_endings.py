"""Every way for a notebook to end, and the words that its person gets, on every back end."""

from __future__ import annotations

from typing import Any

import pytest

from sessions.backends.endings import Cause, ServerEnd, why_ended
from sessions.backends.kubernetes import problems
from sessions.backends.kubernetes.serverpod import BEGUN_LINE
from sessions.backends.local.keeper.status import ENDED, Status
from sessions.backends.local.reports import _server_state
from sessions.jupyter import refusals

LINES = ("one", "two")
START = "/home/jovyan/binder/start"

TABLE: dict[str, tuple[dict[str, Any], str, str]] = {
    "a script that fails": (
        {"status": 3, "has_begun": False, "script": START},
        "spawn.start-script",
        (
            "Your start script (binder/start) ended before it started JupyterLab (status 3). "
            "Its last lines:\none\ntwo"
        ),
    ),
    "a script that forgets JupyterLab": (
        {"status": 0, "has_begun": False, "script": START},
        "spawn.start-script",
        (
            "Your start script (binder/start) ended before it started JupyterLab (status 0). "
            'Its last line must be: exec "$@" Its last lines:\none\ntwo'
        ),
    ),
    "a script without its interpreter": (
        {"status": 127, "has_begun": False, "script": START},
        "spawn.start-script",
        (
            "Your start script (binder/start) could not be run (status 127): it, or the program "
            "that its first line names, does not exist or cannot be executed. Its last lines:\n"
            "one\ntwo"
        ),
    ),
    "a script that goes on for ever": (
        {"status": None, "has_begun": False, "script": START, "seconds": 600},
        "spawn.timeout",
        (
            "Your start script (binder/start) had not started JupyterLab after 10 minutes and was "
            "stopped. Its last lines:\none\ntwo"
        ),
    ),
    "JupyterLab that is set to another address": (
        {"status": None, "has_begun": True, "answer": 404, "seconds": 600},
        "spawn.timeout",
        (
            "JupyterLab runs, but refused the portal's requests for 10 minutes (status 404): it "
            "serves another address, or expects another token. Leave base_url, token and password "
            "as the portal sets them, also in the start script and the Dockerfile. Its last lines:"
            "\none\ntwo"
        ),
    ),
    "an entry point that fails": (
        {"status": 1, "has_begun": False},
        "spawn.entry-point",
        (
            "The image's entry point ended before it started JupyterLab (status 1). "
            "Its last lines:\none\ntwo"
        ),
    ),
    "JupyterLab that fails": (
        {"status": 7, "has_begun": True, "script": START},
        "spawn.crashed",
        "JupyterLab did not start (status 7). Its last lines:\none\ntwo",
    ),
    "JupyterLab that is silent": (
        {"status": None, "has_begun": True, "script": START, "seconds": 60},
        "spawn.timeout",
        "JupyterLab did not answer within 60 seconds. Its last lines:\none\ntwo",
    ),
    "JupyterLab that is killed": (
        {"status": 137, "has_begun": True, "was_ready": True},
        "spawn.crashed",
        "JupyterLab exited by itself (status 137, SIGKILL). Its last lines:\none\ntwo",
    ),
    "JupyterLab that the sandbox killed": (
        {"status": 159, "has_begun": True, "was_ready": True},
        "spawn.crashed",
        "JupyterLab exited by itself (status 159, SIGSYS). Its last lines:\none\ntwo",
    ),
    "a shutdown from its own menu": (
        {"status": 0, "has_begun": True, "was_ready": True},
        "spawn.ended",
        (
            "JupyterLab was shut down from inside the notebook. Your files are safe. Start it "
            "again when you need it."
        ),
    ),
    "an end that nobody has seen": (
        {"status": 3, "has_begun": None},
        "spawn.crashed",
        (
            "The start script or JupyterLab ended before JupyterLab answered (status 3). "
            "Its last lines:\none\ntwo"
        ),
    ),
}


@pytest.mark.parametrize(("facts", "code", "message"), TABLE.values(), ids=TABLE)
def test_each_end_of_a_program_has_a_code_and_a_message(facts, code, message):
    assert why_ended(ServerEnd(lines=LINES, **facts)) == (code, message)


@pytest.mark.parametrize(("facts", "code", "message"), TABLE.values(), ids=TABLE)
def test_a_keeper_reports_each_end_in_the_same_words(facts, code, message):
    written = {**facts, "lines": list(LINES), "a field of tomorrow": 1}
    status = Status(state=ENDED, code="spawn.crashed", message="?", end=written)
    assert _server_state(status, False, False) == ("gone", code, message)


@pytest.mark.parametrize(
    "name", [name for name, (facts, *_rest) in TABLE.items() if facts["status"]]
)
def test_a_pod_reports_each_end_in_the_same_words(name):
    facts, code, message = TABLE[name]
    cut = ["x" * 2000] if facts["has_begun"] is None else []
    begun = [BEGUN_LINE] if facts["has_begun"] else []
    output = "\n".join([*cut, *begun, *LINES])
    ended = {"exitCode": facts["status"], "reason": "Error", "message": output}
    init = {"exitCode": 0, "message": f'{{"start": "{facts.get("script", "")}", "size": 1}}'}
    pod = {
        "metadata": {},
        "status": {
            "phase": "Failed",
            "initContainerStatuses": [{"name": "bindery-files", "state": {"terminated": init}}],
            "containerStatuses": [{"name": "notebook", "state": {"terminated": ended}}],
        },
    }
    said = problems.why_ended(pod, was_ready=facts.get("was_ready", False))
    assert said[0] == code
    assert said[1].split(" Its last lines:")[0] == message.split(" Its last lines:")[0]
    assert said[1].splitlines()[-2:] == list(LINES)


@pytest.mark.parametrize("cause", [each for each in Cause if each])
def test_each_cause_from_outside_has_its_own_code_and_an_advice(cause):
    code, message = why_ended(ServerEnd(cause=cause, detail="The node was low on memory."))
    assert code == cause.value
    assert message.endswith(".") and ".." not in message
    assert "again" in message or "rebuild" in message


REFUSED = "[W 2026-12-02 23:45:54.030 ServerApp] 404 GET /api (@10.0.0.7) 2.98ms referer=None"


def test_requests_of_the_portal_that_a_pod_refuses_are_counted_and_not_shown():
    output = "\n".join([BEGUN_LINE, *LINES, *[REFUSED] * 50])
    code, message = problems.why_slow({}, output, 600)
    assert code == "spawn.timeout"
    assert "refused the portal's requests for 10 minutes (status 404)" in message
    assert message.endswith("Its last lines:\none\ntwo")


@pytest.mark.parametrize(
    "line",
    [
        "[W 12:00:00.000 NotebookApp] 403 GET /api/status (127.0.0.1) 1.5ms referer=None",
        "[W 2026-12-02 23:45:54.030 LabApp] 403 GET /api/status (x@0.0.0.0) 2.98ms referer=None",
    ],
)
def test_a_refusal_is_known_as_each_of_jupyters_servers_logs_it(line):
    assert refusals(["one", line, "two"]) == (403, ["one", "two"])
    other = line.replace("/api/status", "/api/contents")
    assert refusals([other]) == (0, [other])


def test_silence_is_reported_as_such():
    message = why_ended(ServerEnd(status=3, has_begun=False, script="start"))[1]
    assert message.endswith("(status 3). It printed nothing.")


def test_hostile_output_is_bounded_and_printable():
    lines = ["x" * 10_000, "\x1b[31mred\x00", "\u202eturned", "a\tb"] * 10
    message = why_ended(ServerEnd(status=1, has_begun=True, lines=lines))[1]
    assert len(message) < 11 * 600
    assert not {"\x1b", "\x00", "\u202e", "\t"} & set(message)
