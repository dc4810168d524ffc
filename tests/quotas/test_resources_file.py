"""The `.resources` file: what a repository writes into it, and what its notebook gets or is
told.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from quotas.resources import Resources, compute_resources
from quotas.resourcesfile import ResourcesRefused, parse


@dataclass(frozen=True)
class SiteLimits:
    """Limits as on the service's page, and twice of each as the most that may be requested."""

    cpu_request: float = 1
    cpu_limit: float = 8
    memory_request_gb: float = 1
    memory_limit_gb: float = 16
    max_cpu: float = 16
    max_memory_gb: float = 32
    max_gpu: int = 2


SEED = b"""\
# This file is for resource requests in CERIT-SC
# Do not change
gpu=1
cpur=2
cpul=4
memr=1
meml=4  
"""  # noqa: W291 - the blanks at the end are those of the service's page

NOTHING = Resources(1, 8, 1, 16, 0)
VALUE = "resources.value"
KEY = "resources.key"

# What is written, what follows (resources, or code and line), and how many warnings there are.
FILES: dict[str, tuple[bytes, Resources | tuple[str, int], int]] = {
    "the example of the service's page": (SEED, Resources(2, 4, 1, 4, 1), 0),
    "empty": (b"", NOTHING, 0),
    "blank lines": (b"\n \n\t\n\r\n", NOTHING, 0),
    "comments alone": (b"# gpu=1\n   # cpul=2\n", NOTHING, 0),
    "no end of the last line": (b"gpu=1", Resources(1, 8, 1, 16, 1), 0),
    "one line": (b"cpul=4\n", Resources(1, 4, 1, 16), 0),
    "CRLF": (b"cpur=2\r\ncpul=4\r\n", Resources(2, 4, 1, 16), 0),
    "CR": (b"cpur=2\rcpul=4\r", Resources(2, 4, 1, 16), 0),
    "all three ends, counted": (b"# a\r# b\r\n# c\n\ngpu=x", (VALUE, 5), 0),
    "BOM": (b"\xef\xbb\xbfgpu=1\n", Resources(1, 8, 1, 16, 1), 0),
    "signs of another width": ("gpu＝1\ncpul：2".encode(), Resources(1, 2, 1, 16, 1), 0),
    "a merge that is not finished": (
        b"<<<<<<< HEAD\ngpu=1\n=======\ngpu=2\n>>>>>>> x\n",
        (KEY, 1),
        0,
    ),
    "a pointer of Git LFS": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 3\n",
        ("resources.not-text", 0),
        0,
    ),
    "blanks around": (b"  cpur \t=\t 2  \n", Resources(2, 8, 1, 16), 0),
    "no-break blanks": ("\xa0memr\xa0=\xa02\xa0\n".encode(), Resources(1, 8, 2, 16), 0),
    "comment after a value": (b"gpu=1  # one\n", Resources(1, 8, 1, 16, 1), 0),
    "comment close to a value": (b"gpu=1#one\n", Resources(1, 8, 1, 16, 1), 0),
    "decimals": (b"cpur=0.5\ncpul=2.\nmemr=.5\nmeml=1.25", Resources(0.5, 2, 0.5, 1.25), 0),
    "plus": (b"cpur=+2\ngpu=+1", Resources(2, 8, 1, 16, 1), 0),
    "zeros in front": (b"cpur=002\ngpu=" + b"0" * 6000 + b"1", Resources(2, 8, 1, 16, 1), 0),
    "requests of 0": (b"gpu=0\ncpur=0\nmemr=0", Resources(0, 8, 0, 16), 0),
    "a million is a number": (b"cpul=1000000", ("resources.cpu", 1), 0),
    "more than a million is not": (b"cpul=1000000.5", (VALUE, 1), 0),
    "a row of nines": (b"gpu=" + b"9" * 6000, (VALUE, 1), 0),
    "value missing": (b"\ngpu=\n", (VALUE, 2), 0),
    "value in a comment": (b"cpul=# 4\n", (VALUE, 1), 0),
    "key alone": (b"gpu\n", (VALUE, 1), 0),
    "words": (b"cpur=two", (VALUE, 1), 0),
    "negative": (b"cpur=-1", (VALUE, 1), 0),
    "negative with a fraction": (b"meml=-.5", (VALUE, 1), 0),
    "not a number": (b"cpul=nan", (VALUE, 1), 0),
    "infinite": (b"meml=+Infinity", (VALUE, 1), 0),
    "unit of memory": (b"meml=16GB", (VALUE, 1), 0),
    "unit after a blank": (b"memr=16 Gi", (VALUE, 1), 0),
    "unit of CPU": (b"cpul=500m", (VALUE, 1), 0),
    "exponent": (b"cpul=1e3", (VALUE, 1), 0),
    "underscore": (b"cpul=1_0", (VALUE, 1), 0),
    "hexadecimal": (b"cpul=0x4", (VALUE, 1), 0),
    "comma": (b"cpur=0,5", (VALUE, 1), 0),
    "other digits": ("cpur=٢".encode(), (VALUE, 1), 0),
    "wide digits": ("cpur=２".encode(), (VALUE, 1), 0),
    "two signs": (b"cpur=++2", (VALUE, 1), 0),
    "a sign apart": (b"cpur=+ 2", (VALUE, 1), 0),
    "a point alone": (b"cpur=.", (VALUE, 1), 0),
    "two values": (b"cpur==2", (VALUE, 1), 0),
    "two keys in a line": (b"gpu=1 cpul=4", (VALUE, 1), 0),
    "half a GPU": (b"gpu=1.5", (VALUE, 1), 0),
    "GPU with decimals": (b"gpu=1.0", (VALUE, 1), 0),
    "no CPU at most": (b"cpul=0", (VALUE, 1), 0),
    "no memory at most": (b"meml=0.0", (VALUE, 1), 0),
    "next to no CPU at most": (b"cpul=0.0009", (VALUE, 1), 0),
    "next to no memory at most": (b"meml=." + b"0" * 400 + b"1", (VALUE, 1), 0),
    "a thousandth at most": (b"cpul=0.001", Resources(0.001, 0.001, 1, 16), 0),
    "vertical tab ends no line": (b"gpu=1\x0bcpul=4", (VALUE, 1), 0),
    "U+2028 ends no line": ("# a\u2028gpu=1".encode(), NOTHING, 0),
    "U+0085 ends no line": ("#\x85\ngpu=x".encode(), (VALUE, 2), 0),
    "bad value, then a good one": (b"gpu=x\ngpu=1", (VALUE, 1), 0),
    "repeated": (b"gpu=2\ngpu=1", Resources(1, 8, 1, 16, 1), 1),
    "repeated twice": (b"cpul=2\ncpul=3\ncpul=4", Resources(1, 4, 1, 16), 2),
    "the repeated one is too much": (b"gpu=1\n\ngpu=3", ("resources.gpu", 3), 1),
    "capitals": (b"GPU=1\nCpuL=4\n", Resources(1, 4, 1, 16, 1), 0),
    "colon": (b"gpu: 1", Resources(1, 8, 1, 16, 1), 0),
    "colon, close": (b"gpu:1", Resources(1, 8, 1, 16, 1), 0),
    "export": (b"export gpu=1\nEXPORT  cpul=4", Resources(1, 4, 1, 16, 1), 0),
    "quotes": (b"gpu=\"1\"\n'cpul' = '4'", Resources(1, 4, 1, 16, 1), 0),
    "as in JSON": (b'"gpu": 1,\n"cpul": 4;', Resources(1, 4, 1, 16, 1), 0),
    "one quote": (b'gpu="1', (VALUE, 1), 0),
    "capitals repeat": (b"gpu=2\nGPU=1", Resources(1, 8, 1, 16, 1), 1),
    "nearly a key": (b"gpus=1", (KEY, 1), 0),
    "another name": (b"\nmemory: 16", (KEY, 2), 0),
    "a key of Kubernetes": (b"nvidia.com/gpu: 1", (KEY, 1), 0),
    "two words": (b"gpu_count=1", (KEY, 1), 0),
    "a blank for =": (b"gpu 1", (KEY, 1), 0),
    "prose about a key": (b"GPU is not needed", NOTHING, 1),
    "unknown key": (b"disk=10\ncpul=4", Resources(1, 4, 1, 16), 1),
    "no key": (b"=1", NOTHING, 1),
    "a sentence": (b"please give me much\n", NOTHING, 1),
    "unknown key with any value": (b"disk=10GB", NOTHING, 1),
    "NUL": (b"gpu=1\0", ("resources.not-text", 0), 0),
    "UTF-16": ("gpu=1\r\n".encode("utf-16"), Resources(1, 8, 1, 16, 1), 0),
    "UTF-32": ("gpu=1".encode("utf-32"), Resources(1, 8, 1, 16, 1), 0),
    "UTF-16 cut": ("gpu=1".encode("utf-16")[:-1], ("resources.not-text", 0), 0),
    "UTF-16 without a mark": ("gpu=1".encode("utf-16-le"), ("resources.not-text", 0), 0),
    "Latin-1": (b"# sm\xf8rrebr\xf8d\ngpu=1", ("resources.not-text", 0), 0),
    "surrogates": (b"#\xed\xa0\x80", ("resources.not-text", 0), 0),
    "64 KB": (b"gpu=1\n".ljust(65_536, b"#"), Resources(1, 8, 1, 16, 1), 0),
    "larger": (b"gpu=1\n".ljust(65_537, b"#"), ("resources.too-large", 0), 0),
    "20 odd lines": (b"x\n" * 20, NOTHING, 20),
    "21 odd lines": (b"x\n" * 21, NOTHING, 21),
    "30,000 odd lines": (b"x\n" * 30_000, NOTHING, 21),
    "digits without end": (b"cpul=" + b"1" * 65_000 + b"!", (VALUE, 1), 0),
    "too much CPU": (b"cpur=1\ncpul=17", ("resources.cpu", 2), 0),
    "too much memory": (b"memr=33", ("resources.memory", 1), 0),
    "request above limit": (b"meml=2\nmemr=3", ("resources.request-above-limit", 2), 0),
}


def told(content: bytes) -> ResourcesRefused:
    with pytest.raises(ResourcesRefused) as caught:
        compute_resources(parse(content), SiteLimits())
    return caught.value


@pytest.mark.parametrize(("content", "follows", "warnings"), FILES.values(), ids=FILES)
def test_each_file_gives_the_resources_it_requests_or_is_refused(content, follows, warnings):
    if isinstance(follows, Resources):
        asked = parse(content)
        assert compute_resources(asked, SiteLimits()) == follows
        assert len(asked.warnings) == warnings
        return
    refusal = told(content)
    assert (refusal.code, refusal.line) == follows
    if not refusal.code.startswith(
        ("resources.value", "resources.key", "resources.not", "resources.too")
    ):
        assert len(parse(content).warnings) == warnings


def test_missing_keys_are_none_and_the_others_have_line_numbers():
    asked = parse(b"# first\ncpul=4\n\nmemr=.5\ncpul=2")
    assert (asked.gpu, asked.cpur, asked.cpul, asked.memr, asked.meml) == (None, None, 2, 0.5, None)
    assert asked.lines == {"cpul": 5, "memr": 4}


def test_the_number_of_gpus_is_an_integer():
    assert type(parse(b"gpu=1").gpu) is int


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("gpu", ["Line 1 ", "gpu", "no value", "gpu=1"]),
        ("cpur=-1", ["“-1”", "is negative", "cpur=2"]),
        ("\nmeml=16GB", ["Line 2 ", "meml", "“16GB”", "has a unit", "in GB", "meml=4"]),
        ("cpul=500m", ["“500m”", "has a unit", "number of CPUs, without a unit", "cpul=0.5"]),
        ("memr=inf", ["not a finite number", "in GB"]),
        ("cpur=0,5", ["“0,5”", "a point", "cpur=0.5"]),
        ("gpu=1.0", ["“1.0”", "not a whole number"]),
        ("gpu=two", ["“two”", "not a number", "whole number of GPUs"]),
        ("gpu=1000001", ["more than 1,000,000"]),
        ("cpul=0", ["“0”", "too little to run a notebook"]),
        ("mem_l=1", ["Line 1 ", "“mem_l=1”", "Did you mean meml?"]),
        ("gpus=1", ["Line 1 ", "“gpus=1”", "Did you mean gpu?", "gpu=1"]),
    ],
)
def test_the_error_for_a_bad_line_names_line_key_and_correct_form(content, words):
    message = told(content.encode()).message
    assert all(word in message for word in words), message
    assert str(told(content.encode())) == message


def test_a_bad_value_is_quoted_shortened_and_without_invisible_characters():
    message = told("gpu=a\u202e\x1b\x7f\u200bb".encode()).message
    assert "“a\ufffd\ufffd\ufffd\ufffdb”" in message
    assert f"“{'y' * 40}”" in told(b"gpu=" + b"y" * 40).message
    assert f"“{'y' * 39}…”" in told(b"gpu=" + b"y" * 41).message


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("disk=1", ["“disk” is not a known key", "gpu, gputype, cpur, cpul, memr, meml"]),
        ("please", ["“please”", "gpu=1"]),
        ("\x1b[31m", ["“\ufffd[31m”"]),
    ],
)
def test_the_warning_for_an_ignored_line_says_what_may_stand_there(line, words):
    (warning,) = parse(f"\n\n{line}\n".encode()).warnings
    assert warning.startswith("Line 3 ")
    assert all(word in warning for word in words), warning


def test_the_warning_for_a_repeated_key_names_both_lines():
    (warning,) = parse(b"gpu=1\n\ngpu=1").warnings
    assert "Line 3 " in warning and "line 1 " in warning and "gpu" in warning


def test_only_the_first_twenty_warnings_are_listed_and_the_rest_counted():
    assert len(parse(b"x\n" * 20).warnings) == 20
    assert parse(b"x\n" * 21).warnings[20] == "… and 1 more line of .resources like these."
    warnings = parse(b"x\n" * 500).warnings
    assert warnings[19].startswith("Line 20 ")
    assert warnings[20] == "… and 480 more lines of .resources like these."
