"""`runtime.txt`: what has one meaning is understood, anything else refused with what may stand
there.
"""

from __future__ import annotations

import pytest

from sessions.repofiles.configuration.runtimefile import canonical


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("python-3.11", "python-3.11"),
        ("3.11", "python-3.11"),
        ("python3.11\n", "python-3.11"),
        ("python-3.11-dev", "python-3.11"),
        ("python-3.11 # as on the cluster\n", "python-3.11"),
        ("# which one\n\nPython 3.11\r\n", "python-3.11"),
        ("python==3.11", "python-3.11"),
        ("python-3.11.4", "python-3.11"),
        ("python-3.11.x", "python-3.11"),
        ("v3.11", "python-3.11"),
        ("'3.11'", "python-3.11"),
        ("python-3.11\npython-3.11\n", "python-3.11"),
        ("python-3.11-2024-01-01", "python-3.11"),
        ("python-2.7", "python-2.7"),
        ("3", "python-3"),
        ("python", ""),
        ("", ""),
        (" \n# nothing\n", ""),
        ("r-4.3-2024-01-01", "r-4.3-2024-01-01"),
        ("R-4.3.1-2024-01-01", "r-4.3.1-2024-01-01"),
        ("r-2024-01-01", "r-2024-01-01"),
    ],
)
def test_one_meaning_is_understood(text: str, meaning: str):
    assert canonical(text) == meaning


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a-b-c", ["“a-b-c”", "not a version", "python-3.11", "r-4.4-2025-03-01"]),
        (">=3.9", ["“>=3.9”", "not a version"]),
        ("311", ["“311”", "no version of Python"]),
        ("python-3.11\npython-3.12", ["2 lines", "only one version"]),
        ("r-4.3", ["“r-4.3”", "date", "r-4.3-2025-03-01"]),
        ("r-4.3-2024-13-01", ["2024-13-01", "no calendar"]),
        ("julia-1.6", ["“julia-1.6”", "Project.toml"]),
        ("pypy3.9", ["“pypy3.9”", "not a version"]),
        ("x" * 400, ["x" * 39 + "…"]),
        ("\x1b[31m", ["“\ufffd[31m”"]),
    ],
)
def test_anything_else_is_refused_with_what_may_stand_there(text: str, words: list[str]):
    with pytest.raises(ValueError, match=r"^runtime\.txt ") as caught:
        canonical(text)
    assert all(word in str(caught.value) for word in words), str(caught.value)
