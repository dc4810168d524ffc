"""Resources of a notebook follow from the request, the defaults and the maximum."""

from __future__ import annotations

from typing import Any

import pytest

from quotas.resources import Resources, compute_resources
from quotas.resourcesfile import ResourcesRefused, parse
from tests.quotas.test_resources_file import SiteLimits


def settled(text: str, **limits: Any) -> Resources:
    return compute_resources(parse(text.encode()), SiteLimits(**limits))


def refusal(text: str, **limits: Any) -> ResourcesRefused:
    with pytest.raises(ResourcesRefused) as caught:
        settled(text, **limits)
    return caught.value


def test_an_empty_file_gives_the_defaults():
    assert settled("") == Resources(1, 8, 1, 16, 0)


def test_default_limit_and_request_are_capped_at_the_maximum():
    assert settled("", max_cpu=4, max_memory_gb=0.5) == Resources(1, 4, 0.5, 0.5)


def test_a_default_request_is_capped_at_the_default_limit():
    assert settled("", cpu_request=9, memory_request_gb=20) == Resources(8, 8, 16, 16)


def test_a_request_below_the_default_limit_does_not_change_it():
    assert settled("cpur=2\nmemr=0.5") == Resources(2, 8, 0.5, 16)


def test_a_request_above_the_default_limit_raises_it():
    assert settled("cpur=12\nmemr=24") == Resources(12, 12, 24, 24)


def test_a_limit_below_the_default_request_lowers_it():
    assert settled("cpul=0.5\nmeml=0.25") == Resources(0.5, 0.5, 0.25, 0.25)


def test_a_limit_above_the_default_does_not_change_the_request():
    assert settled("cpul=16\nmeml=32") == Resources(1, 16, 1, 32)


def test_request_and_limit_may_be_equal():
    assert settled("cpur=4\ncpul=4\nmemr=4\nmeml=4") == Resources(4, 4, 4, 4)


def test_cpu_and_memory_are_computed_independently():
    assert settled("cpul=0.5\nmemr=24") == Resources(0.5, 0.5, 24, 24)


@pytest.mark.parametrize(
    ("text", "code", "limit", "asked", "allowed"),
    [
        ("\ncpul=17", "resources.cpu", "max_cpu", 17, 16),
        ("\ncpur=16.5", "resources.cpu", "max_cpu", 16.5, 16),
        ("\nmeml=64", "resources.memory", "max_memory_gb", 64, 32),
        ("\nmemr=33", "resources.memory", "max_memory_gb", 33, 32),
        ("\ngpu=3", "resources.gpu", "max_gpu", 3, 2),
    ],
)
def test_more_than_the_maximum_is_refused_with_the_figures(text, code, limit, asked, allowed):
    told = refusal(text)
    assert (told.code, told.line, told.limit) == (code, 2, limit)
    assert (told.requested, told.allowed) == (asked, allowed)


def test_the_refusal_names_line_figures_and_remedy():
    assert refusal("# much\nmeml=64").message == (
        "Line 2 of .resources asks for 64 GB (meml), but you may ask for at most 32 GB in one"
        " notebook. Ask staff for more, or lower the value."
    )


def test_exactly_the_maximum_is_given():
    assert settled("cpul=16\nmeml=32\ngpu=2") == Resources(1, 16, 1, 32, 2)


def test_with_a_gpu_maximum_of_zero_a_gpu_is_refused():
    assert refusal("gpu=1", max_gpu=0).code == "resources.gpu"
    assert settled("gpu=0", max_gpu=0).gpu == settled("", max_gpu=0).gpu == 0


def test_when_request_and_limit_are_too_high_the_larger_is_named():
    told = refusal("cpur=20\ncpul=24")
    assert (told.line, told.requested) == (2, 24)


def test_a_request_above_its_limit_is_refused_with_both_lines():
    told = refusal("cpur=4\n\ncpul=2")
    assert (told.code, told.line) == ("resources.request-above-limit", 1)
    assert told.message == (
        "Line 1 of .resources asks for 4 CPU to be guaranteed (cpur), but line 3 allows at most"
        " 2 CPU (cpul). Lower cpur or raise cpul."
    )
    assert (told.limit, told.requested, told.allowed) == ("", None, None)


def test_a_contradiction_is_reported_before_an_excess():
    assert refusal("cpul=99\nmemr=4\nmeml=2").code == "resources.request-above-limit"


def test_the_last_line_of_a_repeated_key_counts():
    assert settled("cpur=99\ncpur=2").cpu_request == 2
