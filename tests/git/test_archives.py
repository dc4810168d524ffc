"""Versions and ``.resources`` are asked of archives as a launch does."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from sessions.errors import BinderyError, TemporaryError
from sessions.git import archive
from sessions.git.resolve import ResolvedRef
from sessions.providers import parse_repository
from tests.replica import PAGE, Replica, Reply, zipped

pytestmark = [pytest.mark.servers, pytest.mark.slow("a process for each question", seconds=60)]
HEX = "b8f6eae9d89241cf8b5904033460af61"
SHA = "0123456789abcdef0123456789abcdef01234567"
FILES = {"index.ipynb": "{}", ".resources": "memr 2\n"}


@pytest.fixture
def replica(settings) -> Iterator[Replica]:
    with Replica() as replica:
        settings.PORTAL_ARCHIVE_HOSTS = replica.hosts
        replica.zenodo("3242074", FILES, newest_of="3242073")
        replica.zenodo("14007206", {"flowers.zip": zipped(FILES)})
        replica.figshare(9782777, 3, {"flowers.zip": zipped(FILES)})
        replica.dataverse("10.7910/DVN/TJCLKP", (2, 1), FILES)
        replica.hydroshare(HEX, "2019-09-25T16:59:17.824Z", FILES)
        url = "https://demo.ckan.org/dataset/x/.resources"
        replica.ckan("sample", "2021-03-04T05:06:07", [("r1", url, b"memr 2\n")])
        replica.software("a" * 40, SHA, FILES)
        yield replica


def found(text: str) -> ResolvedRef:
    return archive.resolve(parse_repository(text))


ZENODO = ("zenodo", "https://zenodo.org/records/3242074", "3242074")
HARVARD = "https://dataverse.harvard.edu"
DATAVERSE = f"{HARVARD}/dataset.xhtml?persistentId=doi:10.7910/DVN/TJCLKP"
FIGSHARE = "https://figshare.com/articles/dataset/_/9782777"
CKAN = "https://demo.ckan.org/dataset/sample"
SWH = f"https://archive.softwareheritage.org/swh:1:dir:{SHA}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.5281/ZENODO.3242074", ZENODO),
        ("https://doi.org/10.5281/zenodo.3242073", ZENODO),
        ("https://zenodo.org/doi/10.5281/zenodo.3242073", ZENODO),
        ("https://zenodo.org/records/3242074/files/index.ipynb?download=1", ZENODO),
        ("https://zenodo.org/records/3242073/latest", ZENODO),
        ("10.6084/m9.figshare.9782777", ("figshare", f"{FIGSHARE}/3", "9782777.v3")),
        ("10.6084/m9.figshare.9782777.v2", ("figshare", f"{FIGSHARE}/2", "9782777.v2")),
        ("https://figshare.com/articles/code/x/9782777/1",
         ("figshare", f"{FIGSHARE}/1", "9782777.v1")),
        ("doi:10.7910/DVN/TJCLKP", ("dataverse", DATAVERSE, "DVN-TJCLKP.v2.1")),
        (DATAVERSE.replace("dataset", "file") + "/3YRRYJ",
         ("dataverse", DATAVERSE, "DVN-TJCLKP.v2.1")),
        (f"{HARVARD}/citation?persistentId=doi:10.7910/DVN/TJCLKP",
         ("dataverse", DATAVERSE, "DVN-TJCLKP.v2.1")),
        (f"{HARVARD}/api/access/datafile/3001?format=original",
         ("dataverse", DATAVERSE, "DVN-TJCLKP.v2.1")),
        (f"10.4211/hs.{HEX}", ("hydroshare", f"https://www.hydroshare.org/resource/{HEX}",
                               f"{HEX}.v1569430757")),
        (f"http://www.hydroshare.org/resource/{HEX}/",
         ("hydroshare", f"https://www.hydroshare.org/resource/{HEX}", f"{HEX}.v1569430757")),
        (CKAN, ("ckan", CKAN, "sample.v1614834367")),
        (f"{CKAN}?activity_id=0c5f", ("ckan", f"{CKAN}?activity_id=0c5f", "sample.v1614834367")),
        (f"swh:1:rev:{'a' * 40};origin=https://github.com/o/r", ("swh", SWH, SHA)),
        (f"swh:1:dir:{SHA}", ("swh", SWH, SHA)),
    ],
)  # fmt: skip
def test_each_spelling_leads_to_a_version(replica, text, expected):
    version = found(text)
    assert (version.provider, version.url, version.commit) == expected
    assert version.ref == ""


@pytest.mark.parametrize(
    "text",
    ["10.5281/zenodo.3242074", "10.5281/zenodo.14007206", "10.6084/m9.figshare.9782777",
     "10.7910/DVN/TJCLKP", f"10.4211/hs.{HEX}", CKAN, f"swh:1:dir:{SHA}"],
)  # fmt: skip
def test_resources_are_read_before_anything_is_built(replica, text):
    if "figshare" in text:
        replica.figshare(9782777, 3, {"flowers.zip": zipped(FILES)})
    version = found(text)
    entry = archive.read_entry(version.provider, version.url, version.commit, 1000).entry
    assert entry is not None
    assert entry.content == b"memr 2\n"


@pytest.mark.parametrize("number", [8, 9, 12, 1000, 1001])
def test_of_many_files_at_figshare_none_is_missed(replica, number: int):
    """An article's own answer lists ten of them, and a page of the list a thousand."""
    others = {f"{each}.txt": "1" for each in range(number)}
    replica.figshare(7, 1, {**others, ".resources": "memr=2\n"})
    url = "https://figshare.com/articles/dataset/_/7/1"
    entry = archive.read_entry("figshare", url, "7.v1", 1000).entry
    assert entry is not None
    assert entry.content == b"memr=2\n"


def test_of_a_large_zip_only_parts_are_fetched(replica):
    large = zipped({**FILES, "large": Random(1).randbytes(2_000_000)})
    replica.zenodo("5", {"large.zip": large})
    entry = archive.read_entry("zenodo", "https://zenodo.org/records/5", "5", 1000).entry
    assert entry is not None
    asked = [each for each in replica.asked if each.endswith("/content")]
    assert len(asked) >= 3


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("10.5281/zenodo.404", "archive.no-such-doi"),
        ("https://zenodo.org/records/404", "archive.not-found"),
        ("10.6084/m9.figshare.9782777.v9", "archive.not-found"),
        (f"{HARVARD}/api/access/datafile/404", "archive.not-found"),
    ],
)
def test_what_is_not_there_is_refused_with_a_sentence(replica, text, code):
    with pytest.raises(BinderyError) as refused:
        found(text)
    assert refused.value.code == code
    assert refused.value.message.endswith(".")


def test_resources_that_come_too_slowly_end_within_the_bound(replica, monkeypatch):
    """The file would take three minutes, and the bound is 28 seconds."""
    assert archive.READ_SECONDS == 28
    monkeypatch.setattr(archive, "READ_SECONDS", 3)
    version = found("10.5281/zenodo.3242074")
    slow = Reply(b"memr 2\n" * 100, drip=4)
    replica.put("zenodo.org/api/records/3242074/files/.resources/content", slow)
    with pytest.raises(TemporaryError) as refused:
        archive.read_entry(version.provider, version.url, version.commit, 1000)
    assert refused.value.code == archive.TIMEOUT
    assert "Try again" in refused.value.message


def test_a_doi_that_leads_elsewhere_is_refused(replica, settings):
    settings.PORTAL_ARCHIVE_HOSTS |= {"elsewhere.example.org": replica.hosts["zenodo.org"]}
    replica.doi("10.1234/x", "https://elsewhere.example.org/page/1")
    replica.put("zenodo.org/page/1", PAGE)
    with pytest.raises(BinderyError) as refused:
        found("10.1234/x")
    assert refused.value.code == "archive.unknown"
