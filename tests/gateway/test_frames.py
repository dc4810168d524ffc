"""Frames of a socket are passed on unchanged, in pieces, within limits; by the pure parser."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from websockets.frames import Frame
from websockets.frames import Opcode as Theirs
from websockets.protocol import Protocol, Side

from sessions.gateway.websocket import (
    MAX_WHOLE_FRAME,
    ControlFrame,
    FrameError,
    FrameParser,
    Opcode,
    build_control_frame,
    build_frame,
)

Item = tuple[str, bytes]


def written(messages: list[list[bytes]], *, is_masked: bool) -> bytes:
    """Return the frames of these messages, each given by its fragments, with a ping before each."""
    out = b""
    for fragments in messages:
        out += Frame(Theirs.PING, b"there?").serialize(mask=is_masked)
        for number, data in enumerate(fragments):
            opcode = Theirs.CONT if number else Theirs.BINARY
            last = number == len(fragments) - 1
            out += Frame(opcode, data, last).serialize(mask=is_masked)
    return out


def cut(data: bytes, sizes: random.Random) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        size = sizes.choice([1, 2, 3, 7, 100, 5000, 20_000, 200_000])
        yield data[at : at + size]
        at += size


def messages_in(data: bytes, side: Side) -> list[bytes]:
    """Return the messages as another implementation parses them."""
    reader = Protocol(side, max_size=None)
    reader.receive_data(data)
    assert reader.parser_exc is None
    found: list[bytes] = []
    for event in reader.events_received():
        if event.opcode is Theirs.CONT:
            found[-1] += event.data
        else:
            found.append(bytes(event.data))
    return found


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("is_masked", [True, False])
def test_messages_are_the_same_however_the_bytes_are_split(seed, is_masked):
    chance = random.Random(seed)
    sizes = [
        0,
        1,
        125,
        126,
        127,
        65535,
        65536,
        MAX_WHOLE_FRAME - 1,
        MAX_WHOLE_FRAME,
        MAX_WHOLE_FRAME + 1,
        300_000,
    ]
    messages = [
        [chance.randbytes(chance.choice(sizes)) for _part in range(chance.choice([1, 1, 2, 5]))]
        for _each in range(12)
    ]
    frames, onward, pings = FrameParser(is_masked=is_masked), b"", 0
    for piece in cut(written(messages, is_masked=is_masked), chance):
        for each in frames.feed(piece):
            if isinstance(each, ControlFrame):
                assert each == ControlFrame(Opcode.PING, b"there?")
                pings += 1
            else:
                onward += each
    assert pings == len(messages)
    side = Side.SERVER if is_masked else Side.CLIENT
    assert messages_in(onward, side) == [b"".join(fragments) for fragments in messages]


def test_a_small_frame_is_passed_on_unchanged():
    whole = Frame(Theirs.TEXT, b"hello").serialize(mask=True)
    frames = FrameParser(is_masked=True)
    assert list(frames.feed(whole[:5])) == []
    assert list(frames.feed(whole[5:])) == [whole]


@pytest.mark.parametrize("is_masked", [True, False])
@pytest.mark.parametrize("sizes", [[100], [50, 50], [1] * 100, [0, 99, 0, 1, 0]])
def test_a_message_at_the_limit_passes_and_a_larger_one_is_refused(is_masked, sizes):
    frames = FrameParser(is_masked=is_masked, limit=100)
    fits = [b"x" * size for size in sizes]
    assert list(frames.feed(written([fits], is_masked=is_masked)))
    with pytest.raises(FrameError) as wrong:
        list(frames.feed(written([[*fits, b"x"]], is_masked=is_masked)))
    assert wrong.value.code == 1009


def test_a_frame_that_is_too_large_is_refused_at_its_header():
    with pytest.raises(FrameError) as wrong:
        list(FrameParser(is_masked=False).feed(b"\x82\x7f" + (64 * 1024**2 + 1).to_bytes(8, "big")))
    assert (wrong.value.code, wrong.value.reason) == (1009, "a message larger than 64 MB")


def test_frames_before_an_error_pass_and_a_close_after_it_is_found():
    frames = FrameParser(is_masked=False, limit=10)
    good, bad = build_frame(Opcode.BINARY, b"good"), build_frame(Opcode.BINARY, b"x" * 11)
    feeding = frames.feed(good + bad + build_control_frame(Opcode.CLOSE, b"", is_masked=False))
    assert next(feeding) == good
    with pytest.raises(FrameError):
        next(feeding)
    assert frames.skip_to_close(b"")


@pytest.mark.parametrize(
    ("data", "is_masked"),
    [
        (b"\xc1\x00", False),  # a bit of an extension
        (b"\x83\x00", False),  # a kind that there is not
        (b"\x8b\x00", False),
        (b"\x80\x00", False),  # goes on with nothing
        (b"\x01\x00\x01\x00", False),  # begins anew in the middle
        (b"\x09\x00", False),  # half a ping
        (b"\x89\x7e\x00\x80", False),  # a large one
        (b"\x81\x80\x00\x00\x00\x00", False),  # masked by a server
        (b"\x81\x00", True),  # not masked by a browser
    ],
)
def test_an_invalid_frame_is_a_protocol_error(data, is_masked):
    with pytest.raises(FrameError) as wrong:
        list(FrameParser(is_masked=is_masked).feed(data))
    assert wrong.value.code == 1002


@pytest.mark.parametrize("fragment", [b"", b"x"])
def test_endless_fragments_are_not_buffered(fragment):
    frames = FrameParser(is_masked=False)
    flood = build_frame(Opcode.CONTINUATION, fragment, fin=False) * 5000
    list(frames.feed(build_frame(Opcode.BINARY, b"x", fin=False)))
    onward = 0
    for _round in range(20):
        onward += sum(len(each) for each in frames.feed(flood) if isinstance(each, bytes))
        assert len(frames._buffer) < MAX_WHOLE_FRAME
    assert onward == len(fragment) * 20 * len(flood)


def test_samples_of_messages_are_unmasked():
    frames = FrameParser(is_masked=True)
    messages = [[b"hel", b"lo"], [b"x" * 100_000], [b""]]
    list(frames.feed(written(messages, is_masked=True)))
    assert [len(each) for each in frames.samples] == [5, 4097, 0]
    assert frames.samples[0] == b"hello"
