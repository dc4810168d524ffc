"""Build orders, as the build's containers read them."""

from __future__ import annotations

import pytest
from bindery_builder import buildspec

LEAST = {"BUILD_URL": "https://example.org/a.git", "BUILD_COMMIT": "c0ffee", "BUILD_IMAGE": "r/a:1"}


def test_optional_variables_default_to_off():
    spec = buildspec.read({**LEAST, "BUILD_CACHE": "", "BUILD_LOG_LIMIT": "", "BUILD_FRESH": "0"})
    assert spec == buildspec.BuildSpec("https://example.org/a.git", "c0ffee", "r/a:1")


def test_every_variable_is_read():
    spec = buildspec.read(
        {
            **LEAST,
            "BUILD_FRESH": "1",
            "BUILD_PLAIN_HTTP": "1",
            "BUILD_INSECURE": "a:5000,b",
            "BUILD_REPOSITORY_LIMIT": "5",
            "BUILD_STEP_VARIABLES": '{"PIP_CERT": "/c", "https_proxy": "http://p", "NO_PROXY": ""}',
        }
    )
    assert (spec.no_cache, spec.plain_http, spec.repository_limit) == (True, True, 5)
    assert spec.insecure == ("a:5000", "b")
    assert spec.declared == {"PIP_CERT": "/c"}
    assert spec.proxies == {"https_proxy": "http://p", "NO_PROXY": ""}


@pytest.mark.parametrize("name", sorted(LEAST))
def test_a_missing_required_variable_raises(name: str):
    with pytest.raises(KeyError):
        buildspec.read({key: value for key, value in LEAST.items() if key != name})
