"""Log lines: a sentence for people, or an object for programs."""

from __future__ import annotations

import json
import logging
import re
from datetime import datetime, timedelta

import pytest

from portal.lib.logs import context, formats
from portal.lib.logs.formats import escape_invisible
from tests.logs import written

log = logging.getLogger("tests.log")


def fail() -> None:
    raise LookupError("no such thing")


def test_text_format_shows_time_level_logger_and_message():
    with written("line") as output, context.log_scope(session=7) as reference:
        log.warning("the %s is full", "disk")
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00"
    about = rf"\[reference={reference} session=7\]"
    assert re.fullmatch(
        rf"{time} WARNING tests\.log: the disk is full {about}\n", output.getvalue()
    )


def test_json_format_writes_one_object_per_line():
    with written() as output, context.log_scope(session=7) as reference:
        log.warning("first\nsecond “line”")
    [found] = output.objects()
    time = datetime.fromisoformat(found.pop("time"))
    assert time.utcoffset() == timedelta(0)
    assert found == {
        "level": "WARNING",
        "logger": "tests.log",
        "part": "web",
        "message": "first\nsecond “line”",
        "reference": reference,
        "session": 7,
    }


def test_a_traceback_stays_with_its_line():
    with written() as as_object, written("line") as as_line:
        try:
            fail()
        except LookupError:
            log.exception("it failed")
    [found] = as_object.objects()
    assert found["message"] == "it failed"
    assert found["exception"].endswith("LookupError: no such thing")
    assert "it failed\nTraceback (most recent call last):\n" in as_line.getvalue()


def test_unknown_extra_fields_of_libraries_are_left_out():
    with written() as output:
        log.error("refused", extra={"request": "GET /?code=1", "status_code": 500, "status": 500})
    [found] = output.objects()
    assert found["status"] == 500
    assert not {"request", "status_code"} & set(found)


def test_bound_fields_end_with_their_scope():
    with written() as output:
        with context.log_scope(task="spawn"), context.bound_fields(session=1):
            log.info("inside")
        log.info("outside")
    inside, outside = output.objects()
    assert (inside["task"], inside["session"]) == ("spawn", 1)
    assert not {"task", "session", "reference"} & set(outside)


def test_fields_bound_outside_a_scope_are_ignored():
    with written() as output:
        context.bind_fields(user=1)
        log.info("outside")
    [found] = output.objects()
    assert "user" not in found


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["/srv/bindery/manage.py", "qcluster", "--skip-checks"], "worker"),
        (["manage.py", "watch"], "watch"),
        (["manage.py", "migrate"], "migrate"),
        (["manage.py"], "manage"),
        (["/usr/bin/uvicorn", "portal.asgi:application"], "web"),
        ([], "web"),
    ],
)
def test_process_name_is_derived_from_the_command_line(arguments, part):
    assert formats.process_name(arguments) == part


def test_verbose_libraries_never_log_at_debug_level():
    found = formats.logging_config("line", "DEBUG")
    assert found["root"]["level"] == "DEBUG"
    assert {found["loggers"][name]["level"] for name in formats.VERBOSE_LOGGERS} == {"INFO"}
    quiet = formats.logging_config("line", "ERROR")
    assert {quiet["loggers"][name]["level"] for name in formats.VERBOSE_LOGGERS} == {"ERROR"}


def test_supervisor_passes_json_on_and_wraps_other_lines():
    line = '{"message": "ready"}'
    assert formats.as_json_line("watch", line) == line
    wrapped = json.loads(formats.as_json_line("watch", "Killed"))
    assert (wrapped["part"], wrapped["message"]) == ("watch", "Killed")
    assert formats.with_prefix("web", line) == f"   web | {line}"


UNSEEN = ["\x00", "\x07", "\x1b[31m", "\r", "\x85", "\xad", "\u200b", "\u200f", "\u2028", "\u202e"]
UNSEEN += ["\u2066", "\u061c", "\ufeff", "\U000e0041", "\x9b", "\u3164"]


@pytest.mark.parametrize("unseen", UNSEEN)
@pytest.mark.parametrize("form", ["line", "json"])
def test_invisible_characters_are_escaped(form, unseen):
    escaped = unseen[0].encode("unicode_escape", "surrogatepass").decode()
    with written(form) as output, context.log_scope(name=f"a{unseen}b"):
        error = LookupError(f"c{unseen}d")
        log.error("branch %s is gone", f"e{unseen}f", exc_info=error)
    text = output.getvalue()
    assert unseen[0] not in text
    said = text if form == "line" else str([*json.loads(text).values()]).replace("\\\\", "\\")
    assert said.count(f"{escaped}{unseen[1:]}") >= 3


def test_lone_surrogate_is_escaped():
    assert (
        escape_invisible("a\ud800b") == "a\\ud800b"
    )  # not by a logger: pytest could not tell of it


def test_newline_in_a_value_cannot_forge_a_log_line():
    forged = "x\n2026-01-01T00:00:00.000+00:00 WARNING portal: all is well"
    with written("line") as output, context.log_scope(name=forged):
        log.warning("branch %s is gone", forged)
    assert len(output.getvalue().splitlines()) == 1
    assert "x\\n2026" in output.getvalue()


def test_text_in_any_language_is_unchanged():
    words = "grüße 你好 שלום مرحبا नमस्ते 🙂 a\tb"
    with written("line") as output:
        log.warning(words)
    assert words in output.getvalue()


@pytest.mark.parametrize("pass_on", [formats.with_prefix, formats.as_json_line])
def test_output_of_child_processes_is_escaped_too(pass_on):
    line = pass_on("web", "turned \u202eround\x1b[2J")
    assert "\u202e" not in line
    assert "\x1b" not in line
    assert "202e" in line
