"""Whatever stands in `.resources`: resources within the limits, or a sentence. Nothing else."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from quotas.resources import Resources, compute_resources
from quotas.resourcesfile import KEYS, RequestedResources, ResourcesRefused, parse
from tests.quotas.test_resources_file import SiteLimits

CODES = {
    "resources.too-large", "resources.not-text", "resources.value", "resources.cpu",
    "resources.memory", "resources.gpu", "resources.key", "resources.request-above-limit",
    "resources.gputype-alone",
}  # fmt: skip

figures = st.floats(0, 1_000_000) | st.integers(0, 64).map(float)
limits = st.builds(
    SiteLimits,
    cpu_request=figures,
    cpu_limit=figures,
    memory_request_gb=figures,
    memory_limit_gb=figures,
    max_cpu=figures,
    max_memory_gb=figures,
    max_gpu=st.integers(0, 8),
)

blanks = st.sampled_from(["", "", " ", "\t", "  ", "\xa0", "\x0b"])
keys = st.sampled_from(KEYS) | st.sampled_from(["GPU", "cpu", "mem", "", "disk", "#", "\ufeffgpu"])
numbers = st.one_of(
    st.integers(0, 40).map(str),
    st.decimals(0, 64, places=3).map(str),
    st.floats().map(str),
    st.integers().map(str),
    st.from_regex(r"[+-]?[0-9]{0,3}[.,]?[0-9]{0,3}", fullmatch=True),
)
tails = st.sampled_from(["", "", "", "", " # one", "#", "GB", " m", "%", "e3", "_0", "\0", "٢"])
values = st.builds("{}{}".format, numbers, tails) | st.text(max_size=6)
equals = st.sampled_from(["=", "=", "=", "=", "", ":", "=="])
written = st.builds("{}{}{}{}{}{}{}".format, blanks, keys, blanks, equals, blanks, values, blanks)
# As people mean it, so that whole files of it come to be settled.
plain = st.builds("{}={}".format, st.sampled_from(KEYS), st.integers(0, 8))
meant = st.lists(plain, min_size=1, max_size=5, unique_by=lambda line: line.partition("=")[0])
ends = st.sampled_from(["\n", "\r\n", "\r", "\u2028"])
lines = st.builds("{}{}".format, plain | plain | written | st.text(max_size=8), ends)
files = st.one_of(
    meant.map("\n".join),
    st.lists(lines, min_size=1, max_size=40).map("".join),
).map(lambda text: text.encode("utf-8", "surrogatepass"))
anything = st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass"))


def outcome(
    content: bytes, allowed: SiteLimits
) -> tuple[RequestedResources, Resources] | ResourcesRefused:
    try:
        asked = parse(content)
        return asked, compute_resources(asked, allowed)
    except ResourcesRefused as refusal:
        return refusal


def holds(content: bytes, allowed: SiteLimits) -> None:
    """Assert all that is promised for any file and any limits."""
    found, again = outcome(content, allowed), outcome(content, allowed)
    if isinstance(found, ResourcesRefused):
        assert isinstance(again, ResourcesRefused)
        assert vars(found) == vars(again)
        refusal_is_told(found)
        return
    assert found == again
    asked, given_to = found
    is_within(given_to, allowed)
    is_as_asked(asked, given_to)
    assert len(asked.warnings) <= 21
    assert all(is_sentence(warning) for warning in asked.warnings)


def refusal_is_told(refusal: ResourcesRefused) -> None:
    assert refusal.code in CODES
    assert is_sentence(refusal.message)
    assert not refusal.line or f"Line {refusal.line} " in refusal.message
    if refusal.limit:
        assert (refusal.requested or 0) > (refusal.allowed or 0)


def is_sentence(text: str) -> bool:
    visible = not any(unicodedata.category(each)[0] == "C" for each in text)
    return visible and len(text) < 300 and text.endswith((".", "?"))


def is_within(resources: Resources, allowed: SiteLimits) -> None:
    assert 0 <= resources.cpu_request <= resources.cpu_limit <= allowed.max_cpu
    assert 0 <= resources.memory_request_gb <= resources.memory_limit_gb <= allowed.max_memory_gb
    assert 0 <= resources.gpu <= allowed.max_gpu


def is_as_asked(asked: RequestedResources, resources: Resources) -> None:
    for wanted, got in (
        (asked.cpur, resources.cpu_request),
        (asked.cpul, resources.cpu_limit),
        (asked.memr, resources.memory_request_gb),
        (asked.meml, resources.memory_limit_gb),
        (asked.gpu or 0, resources.gpu),
    ):
        assert wanted is None or got == wanted


@given(content=anything, allowed=limits)
def test_any_bytes_give_resources_within_the_limits_or_a_refusal(content, allowed):
    holds(content, allowed)


@given(content=files, allowed=limits | st.just(SiteLimits()))
def test_any_lines_give_resources_within_the_limits_or_a_refusal(content, allowed):
    holds(content, allowed)
