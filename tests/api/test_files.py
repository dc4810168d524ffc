"""My files, in the API and on the page: the owner's alone, and only while nothing runs."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest
from asgiref.sync import async_to_sync

from portal.lib.zipping import REST
from sessions.backends.personfiles import FilesHere
from sessions.errors import NotYet
from sessions.lifecycle import my_files
from sessions.models import Project, Session
from sessions.repofiles.browse import MAX_ENTRIES, Browser
from tests.making import with_token

pytestmark = pytest.mark.django_db


@pytest.fixture
def stopped(ada, launch, backend, tmp_path: Path) -> Project:
    """Ada's project, which is stopped and has two files."""
    (tmp_path / "data").mkdir()
    (tmp_path / "note.txt").write_text("hello")
    (tmp_path / "data" / "ü <b>.csv").write_text("1,2")
    backend.files = FilesHere(
        Browser(
            {"project": str(tmp_path)},
            lambda folder, name: Path(f"/proc/self/fd/{folder}", name).unlink(),
        )
    )
    return launch(ada)[0]


def test_a_list_that_is_cut_says_so(api, as_ada, stopped: Project, tmp_path: Path):
    for number in range(MAX_ENTRIES - 1):
        (tmp_path / "data" / f"{number}").touch()
    address, wish = f"projects/{stopped.name}/files/", {"path": "project/data"}
    words = f"Only {MAX_ENTRIES} entries are listed"
    assert words in as_ada.get(f"/{address}", wish).content.decode()
    assert words not in as_ada.get(f"/{address}", {"path": "project"}).content.decode()
    assert api.get(f"/api/v1/{address}", wish).json()["truncated"] is True
    (tmp_path / "data" / "0").unlink()
    assert api.get(f"/api/v1/{address}", wish).json()["truncated"] is False


def test_an_archive_names_what_is_not_in_it(api, stopped: Project, tmp_path: Path):
    (tmp_path / "out").symlink_to("/etc")
    os.mkfifo(tmp_path / "pipe")
    address = f"/api/v1/projects/{stopped.name}/files/"
    archive = content(api.get(address, {"path": "project", "zip": "true"}))
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        assert set(files.namelist()) == {"note.txt", "data/ü <b>.csv", REST}
        text = files.read(REST).decode()
    assert "out (a link to /etc)\n" in text and "pipe (neither a file nor a folder)\n" in text


def test_a_person_has_only_so_many_downloads_at_a_time(api, as_ada, stopped: Project):
    address, wish = f"projects/{stopped.name}/files/", {"path": "project", "zip": "1"}
    under_way = [api.get(f"/api/v1/{address}", wish) for _time in range(my_files.MAX_DOWNLOADS)]
    answer = api.get(f"/api/v1/{address}", wish)
    assert (answer.status_code, answer.json()["code"]) == (503, "files.busy")
    assert answer["Retry-After"] == "5"
    assert as_ada.get(f"/{address}", wish).status_code == 202
    assert api.get(f"/api/v1/{address}", {"path": "project"}).status_code == 200  # a list is short
    assert content(under_way.pop())  # one has ended
    assert content(api.get(f"/api/v1/{address}", wish))
    del under_way, answer  # others were broken off
    assert api.get(f"/api/v1/{address}", wish).status_code == 200


class SlowFiles(FilesHere):
    """Files whose deletion takes longer than anybody waits."""

    def delete(self, path: str) -> bool:
        return False


def content(answer) -> bytes:
    async def read() -> bytes:
        return b"".join([piece async for piece in answer.streaming_content])

    return async_to_sync(read)()


def test_folders_are_listed_files_sent_and_deleted(api, stopped: Project, tmp_path: Path):
    address = f"/api/v1/projects/{stopped.name}/files/"
    found = api.get(address, {"path": "project"}).json()
    assert [(each["path"], each["kind"]) for each in found["entries"]] == [
        ("project/data", "folder"), ("project/note.txt", "file"),
    ]  # fmt: skip
    answer = api.get(address, {"path": "project/note.txt"})
    assert content(answer) == b"hello"
    assert "attachment" in answer["Content-Disposition"]
    archive = content(api.get(address, {"path": "project", "zip": "true"}))
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        assert files.read("note.txt") == b"hello"
        assert files.read("data/ü <b>.csv") == b"1,2"
    assert api.delete(f"{address}?path=project/note.txt").status_code == 204
    assert not (tmp_path / "note.txt").exists()
    gone = api.get(address, {"path": "project/note.txt"})
    assert (gone.status_code, gone.json()["code"]) == (404, "files.not-found")


@pytest.mark.parametrize("name", ['a\nb".txt', "ü\r\nSet-Cookie: x=1", "\u202etxt.exe", "%2e%2e"])
def test_files_and_folders_with_odd_names_are_sent(api, stopped: Project, tmp_path: Path, name):
    (tmp_path / name).write_text("odd")
    (tmp_path / "data" / name).mkdir()
    address = f"/api/v1/projects/{stopped.name}/files/"
    answer = api.get(address, {"path": f"project/{name}"})
    assert content(answer) == b"odd"
    assert "\n" not in answer["Content-Disposition"] and "Set-Cookie" not in answer
    assert api.get(address, {"path": f"project/data/{name}", "zip": "1"}).status_code == 200


def test_files_are_refused_while_the_notebook_runs(api, stopped: Project):
    Session.objects.filter(project=stopped).update(state="ready", ended=None)
    answer = api.get(f"/api/v1/projects/{stopped.name}/files/")
    assert (answer.status_code, answer.json()["code"]) == (409, "project.state")


def test_a_token_needs_the_scope_for_notebooks(ada, stopped: Project):
    answer = with_token(ada, "read").get(f"/api/v1/projects/{stopped.name}/files/")
    assert (answer.status_code, answer.json()["code"]) == (403, "token.scope")


def test_nobody_else_sees_files_not_even_staff(stan, bob, stopped: Project):
    for user, status in ((stan, 403), (bob, 404)):
        answer = with_token(user).get(f"/api/v1/projects/{stopped.name}/files/")
        assert answer.status_code == status


def test_whoever_asks_too_early_is_told_when_to_ask_again(api, as_ada, stopped: Project, backend):
    backend.files = NotYet("files.starting", "Your files are being opened.", 2)
    answer = api.get(f"/api/v1/projects/{stopped.name}/files/")
    assert (answer.status_code, answer.json()["code"]) == (503, "files.starting")
    assert answer["Retry-After"] == "2"
    page = as_ada.get(f"/projects/{stopped.name}/files/", {"path": "volume"})
    assert (page.status_code, page["Refresh"]) == (202, "2")
    told = as_ada.post(f"/projects/{stopped.name}/files/delete/", {"path": "volume/x"}, follow=True)
    assert "Your files are being opened." in told.content.decode()


def test_a_large_folder_may_still_be_going_after_the_answer(api, as_ada, stopped: Project, backend):
    backend.files = SlowFiles(Browser({}, lambda _folder, _name: None))
    answer = api.delete(f"/api/v1/projects/{stopped.name}/files/?path=project/data")
    assert answer.status_code == 202
    address = f"/projects/{stopped.name}/files/delete/"
    page = as_ada.post(address, {"path": "project/data"}, follow=True).content.decode()
    assert "project/data is large: its deletion will take a while." in page


def test_the_page_shows_folders_and_deletes(as_ada, as_bob, stopped: Project, tmp_path: Path):
    address = f"/projects/{stopped.name}/files/"
    page = as_ada.get(address, {"path": "project/data"}).content.decode()
    assert "ü &lt;b&gt;.csv" in page and "<b>.csv" not in page
    assert content(as_ada.get(address, {"path": "project/data/ü <b>.csv"})) == b"1,2"
    assert as_ada.get(address, {"path": "project/none"}).status_code == 302
    as_ada.post(f"{address}delete/", {"path": "project/note.txt"})
    assert not (tmp_path / "note.txt").exists()
    assert as_bob.get(address).status_code == 404
    assert as_bob.post(f"{address}delete/", {"path": "project/data"}).status_code == 404


def test_a_notebook_is_started_in_safe_mode(api, stopped: Project):
    start = f"/api/v1/projects/{stopped.name}/start/"
    wrong = api.post(start, {"safe_mode": "perhaps"}, content_type="application/json")
    assert wrong.status_code == 400
    done = api.post(start, {"safe_mode": True}, content_type="application/json")
    assert (done.status_code, done.json()["safe_mode"]) == (202, True)
    assert Project.objects.get().current.safe_mode == "Started in safe mode by ada."
