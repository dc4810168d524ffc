"""Archives on the real thing, from a DOI or a page to a notebook, or to a sentence."""

from __future__ import annotations

import pytest

from tests.kernel import Kernel
from tests.replica import Replica, data, moved, zipped
from tests.stack import Api

pytestmark = [pytest.mark.stack, pytest.mark.slow("builds and notebooks", seconds=180)]

FILES = {"index.ipynb": "{}", "data/x.csv": "1,2\n", ".resources": "memr=1.5\n"}
HEX = "b8f6eae9d89241cf8b5904033460af61"
SHA = "0123456789abcdef0123456789abcdef01234567"
READ = "print(open('data/x.csv').read(), end='')"


def publish(replica: Replica, kind: str) -> tuple[str, str]:
    """Publish the files in an archive, and return what is pasted, and the version."""
    if kind == "zenodo":
        replica.zenodo("3242074", {"flowers-1.0.zip": zipped(FILES)}, newest_of="3242073")
        return "https://doi.org/10.5281/zenodo.3242073", "3242074"
    if kind == "figshare":
        replica.figshare(9782777, 3, {"flowers.zip": zipped(FILES)})
        return "10.6084/m9.figshare.9782777", "9782777.v3"
    if kind == "dataverse":
        replica.dataverse("10.7910/DVN/TJCLKP", (2, 1), FILES)
        return "doi:10.7910/DVN/TJCLKP", "DVN-TJCLKP.v2.1"
    if kind == "hydroshare":
        replica.hydroshare(HEX, "2019-09-25T16:59:17Z", FILES)
        return f"https://www.hydroshare.org/resource/{HEX}/", f"{HEX}.v1569430757"
    if kind == "ckan":
        files = {"x.csv": b"1,2\n", ".resources": b"memr=1.5\n"}
        at = "https://demo.ckan.org/dataset/sample/download"
        replica.ckan(
            "sample", "2021-03-04T05:06:07.5", [(n, f"{at}/{n}", t) for n, t in files.items()]
        )
        return "https://demo.ckan.org/dataset/sample", "sample.v1614834367"
    replica.software("a" * 40, SHA, FILES, waits=1)
    return f"swh:1:rev:{'a' * 40}", SHA


def builds(api: Api, name: str) -> list[str]:
    """Return what a project's timeline says of builds that were begun for it."""
    said = [event["message"] for event in api.story(name)]
    return [message for message in said if message.startswith("Building the environment")]


@pytest.mark.parametrize("kind", ["zenodo", "figshare", "dataverse", "hydroshare", "ckan", "swh"])
def test_each_archive_is_launched_and_launched_again_without_a_build(
    replica: Replica, ada: Api, kind: str
) -> None:
    text, version = publish(replica, kind)
    name = ada.launch(text)
    project = ada.until(name, "ready")
    assert (project["provider"], project["commit"]) == (kind, version)
    assert project["resources"]["memory_request_gb"] == 1.5
    read = READ.replace("data/", "") if kind == "ckan" else READ
    with Kernel(ada, name) as kernel:
        assert kernel.run(read) == "1,2\n"
        status = "import subprocess; print(subprocess.getoutput('git status --short --branch'))"
        assert kernel.run(status) == "## main\n"
    ada.verb(name, "stop")
    ada.until(name, "stopped")
    ada.verb(name, "start")
    ada.until(name, "ready")
    assert len(builds(ada, name)) == 1


def test_a_new_version_is_merged_and_the_build_of_one_is_shared(
    replica: Replica, ada: Api, bob: Api
) -> None:
    replica.zenodo("51", {"both.txt": "1", "theirs.txt": "1"}, newest_of="50")
    name = ada.launch("10.5281/zenodo.50")
    ada.until(name, "ready")
    with Kernel(ada, name) as kernel:
        kernel.run("open('both.txt', 'w').write('mine')")
    ada.verb(name, "stop")
    ada.until(name, "stopped")
    replica.zenodo("52", {"both.txt": "2", "theirs.txt": "2"}, newest_of="50")
    ada.verb(name, "rebuild")
    assert ada.until(name, "ready")["commit"] == "52"
    with Kernel(ada, name) as kernel:
        names = ("both.txt", "theirs.txt", "both.txt.from-52")
        assert kernel.run(f"print(*(open(each).read() for each in {names}))") == "mine 2 2\n"
    other = bob.launch("https://zenodo.org/records/52")
    bob.until(other, "ready")
    assert not builds(bob, other)


def test_a_restricted_record_is_refused_before_anything_is_built(
    replica: Replica, ada: Api
) -> None:
    replica.zenodo("60", {"a.txt": "1"})
    replica.put("zenodo.org/api/records/60/files", data({"message": "Permission denied."}, 403))
    name = ada.launch("10.5281/zenodo.60")
    project = ada.until(name, "failed", "ready")
    assert (project["state"], project["code"]) == ("failed", "archive.private")
    assert "it is private" in project["message"]


def test_a_build_that_is_led_to_a_private_address_ends_with_a_sentence(
    replica: Replica, ada: Api
) -> None:
    replica.zenodo("70", {"a.txt": "1", "b.txt": "2"})
    private = "http://127.0.0.1:22/"
    replica.put("zenodo.org/api/records/70/files/b.txt/content", moved(private))
    name = ada.launch("10.5281/zenodo.70")
    project = ada.until(name, "failed", "ready")
    assert (project["state"], project["code"]) == ("failed", "archive.address-private")
