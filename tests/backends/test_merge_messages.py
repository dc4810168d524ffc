"""The result of merging the repository's files, in words for the user."""

from __future__ import annotations

import pytest

from sessions.backends import FilesReport
from sessions.backends.messages import files_report, printable

MERGED = {
    "state": "merged",
    "commit": "c0ffee1234" * 4,
    "was": "beef",
    "git": "follow",
    "added": 1,
    "updated": 2,
    "removed": 0,
    "kept": 0,
    "conflicts": 0,
    "conflict_names": [],
    "left_out": 0,
    "left_out_names": [],
}


def test_a_first_fill_has_no_message():
    report = {**MERGED, "state": "filled", "added": 700}
    assert files_report(report, 5) == FilesReport("", 5)


def test_a_merge_reports_what_was_updated_and_added():
    said = "Your files were updated to commit c0ffee1 of the repository: 2 updated, 1 added."
    assert files_report(MERGED) == FilesReport(said)
    assert files_report({**MERGED, "again": True}) == FilesReport(said, is_repeated=True)


def test_a_merge_without_changes_says_so():
    nothing = {**MERGED, "added": 0, "updated": 0}
    assert files_report(nothing).message.endswith("c0ffee1 of the repository: no changes needed.")


def test_conflicts_are_named():
    pairs = [["notes.txt", "notes.txt.from-c0ffee1"]]
    said = files_report({**MERGED, "conflicts": 1, "conflict_names": pairs}).message
    assert said.endswith(
        "One file that you changed is as you left it, with the repository's version beside it: "
        "notes.txt.from-c0ffee1."
    )
    many = [[f"{n}", f"{n}.from-c0ffee1"] for n in range(20)]
    said = files_report({**MERGED, "conflicts": 31, "conflict_names": many}).message
    assert "31 files that you changed" in said
    assert said.endswith("9.from-c0ffee1, 21 more.")


def test_unreadable_files_are_named_even_at_the_first_fill():
    left = {"state": "filled", "left_out": 2, "left_out_names": ["a", "b\u202e\n"]}
    said = files_report({**MERGED, **left}).message
    assert said == (
        "2 files of the repository could not be read, so they are missing: a, b\ufffd\ufffd."
    )


def test_a_merge_reports_that_own_commits_are_kept():
    assert "Your own commits are kept" in files_report({**MERGED, "git": "keep"}).message


@pytest.mark.parametrize(
    "report",
    [
        {},
        {"state": ["merged"]},
        {**MERGED, "conflicts": "many", "conflict_names": 7, "left_out": True},
        {**MERGED, "conflicts": 10**30, "added": -1, "updated": 1.5, "commit": None},
        {**MERGED, "conflicts": 2, "conflict_names": [[], {}, 3, ["x" * 9999]]},
        {**MERGED, "left_out": 1, "left_out_names": ["\ud800\0"]},
    ],
    ids=range(6),
)
def test_an_untrusted_report_yields_a_short_storable_message(report):
    said = files_report(report).message
    assert len(said) < 1000
    said.encode()
    assert "\0" not in said


def test_unprintable_characters_in_names_are_replaced():
    assert printable("Übung 1 – α.ipynb") == "Übung 1 – α.ipynb"
    assert printable("a\u202eb\ud800\x1b") == "a\ufffdb\ufffd\ufffd"


CONTENT = {**MERGED, "folder": "course", "commit": "d0" * 20}


def test_content_has_sentences_of_its_own_and_old_news_are_left_out():
    said = "The folder course was updated to the content’s commit d0d0d0d: 2 updated, 1 added."
    for report in ({"state": "filled"}, {**MERGED, "again": True}):
        assert files_report({**report, "content": CONTENT}) == FilesReport(said, has_content=True)
    both = {**MERGED, "again": True, "content": {**CONTENT, "again": True}}
    assert files_report(both).is_repeated
    assert files_report(both).message.endswith(said)
    filled = {"state": "filled", "content": {**CONTENT, "state": "filled"}}
    said = "The folder course has the content’s commit d0d0d0d."
    assert files_report(filled) == FilesReport(said, has_content=True)
    left = {"state": "filled", "content": {**CONTENT, "state": "", "left": "Nobody is there."}}
    assert files_report(left) == FilesReport(
        "The folder course is as it was, because nothing new could be had: Nobody is there."
    )
