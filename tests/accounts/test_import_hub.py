"""Moving in from a JupyterHub: what a dry run says, and what is here afterwards."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.core.management.base import CommandError

from portal.accounts.hub import source
from portal.models import UsedName, User
from quotas.limits import limits_of
from tests.accounts.test_oidc_usernames import CAMPUS, arrives
from tests.threadserver import ThreadServer

pytestmark = [pytest.mark.django_db, pytest.mark.databases]

# The columns of JupyterHub 6.1.1 that matter, and some that do not.
SCHEMA = """
CREATE TABLE users (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(255) UNIQUE, admin BOOLEAN,
    created DATETIME, last_activity DATETIME, cookie_id VARCHAR(255) NOT NULL, state TEXT,
    encrypted_auth_state BLOB);
CREATE TABLE groups (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(255) UNIQUE, properties TEXT);
CREATE TABLE user_group_map (user_id INTEGER NOT NULL, group_id INTEGER NOT NULL);
CREATE TABLE spawners (id INTEGER NOT NULL PRIMARY KEY, user_id INTEGER, server_id INTEGER,
    state TEXT, name VARCHAR(255), last_activity DATETIME, user_options TEXT);
"""
ADD = "INSERT INTO users (id, name, admin, cookie_id) VALUES (?, ?, ?, ?)"
PEOPLE = [("ada", 0), ("bob.l", 0), ("grace", 1), ("Mary@example.org", 0)]


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """The database of a hub: four people, two groups, one named server."""
    file = tmp_path / "jupyterhub.sqlite"
    with closing(sqlite3.connect(file)) as database:
        database.executescript(SCHEMA)
        rows = [(number, *each, str(number)) for number, each in enumerate(PEOPLE, 1)]
        database.executemany(ADD, rows)
        database.execute("INSERT INTO groups VALUES (1, 'course', '{}'), (2, 'viewer', '{}')")
        database.execute("INSERT INTO user_group_map VALUES (1, 1), (2, 1), (1, 2)")
        database.execute("INSERT INTO spawners (user_id, name) VALUES (1, ''), (1, 'second')")
        database.commit()
    return file


@pytest.fixture
def run(hub: Path) -> Callable[..., str]:
    def call(*options: Any) -> str:
        out = StringIO()
        call_command("import_hub", "--sqlite", str(hub), *map(str, options), stdout=out)
        return out.getvalue()

    return call


def rows(text: str) -> dict[str, list[str]]:
    """Return the table's rows by the name in the hub."""
    return {line.split()[0]: line.split()[1:] for line in text.splitlines() if "→" in line}


def test_a_dry_run_shows_everything_and_changes_nothing(run):
    text = run()
    assert rows(text)["ada"] == ["ada", "create", "course", "–", "→", "ada-nfs-pvc"]
    assert rows(text)["Mary@example.org"][:2] == ["mary-example.org", "create"]
    assert "grace: an administrator of the hub, who gets no role here (--admins-as)" in text
    assert "ada: group viewer is left out" in text
    assert "ada: named servers stay behind: second" in text
    assert text.endswith("4 create\nNothing was changed. Add --apply to do it.\n")
    assert not User.objects.exists()
    assert not UsedName.objects.exists()
    assert not Group.objects.filter(name="course").exists()
    assert not LogEntry.objects.exists()


def test_people_groups_and_volumes_are_made_once(run):
    assert run("--apply").endswith("4 create\n")
    ada = User.objects.get(username="ada")
    assert (ada.volume, ada.has_usable_password(), ada.is_staff) == ("ada", False, False)
    assert list(ada.groups.values_list("name", flat=True)) == ["course"]
    assert run("--apply").endswith("4 unchanged\n")
    assert User.objects.count() == 4


def test_a_run_that_was_killed_goes_on_with_the_rest(run):
    run("--apply")
    User.objects.filter(username__in=["grace", "bob.l"]).delete()
    UsedName.objects.filter(user=None).delete()
    assert run("--apply").endswith("2 create, 2 unchanged\n")


def test_sign_in_finds_the_person_by_the_subject(run, tmp_path):
    subjects = tmp_path / "subjects.csv"
    subjects.write_text("ada,subject-1\n")
    text = run("--issuer", CAMPUS.issuer, "--subjects", subjects, "--apply")
    assert "bob.l: no subject is known: join the account in the admin" in text
    ada = User.objects.get(username="ada")
    found = arrives("subject-1", preferred_username="somebody")
    assert found.pk == ada.pk
    assert found.username == "ada"


def test_the_subject_may_be_given_later(run):
    run("--apply")
    text = run("--issuer", "https://idp.example.org", "--names-are-subjects", "--apply")
    assert text.endswith("4 update\n")
    assert User.objects.get(username="mary-example.org").subject == "Mary@example.org"


def test_an_account_that_is_in_use_is_a_conflict_until_it_is_named(run, ada, tmp_path):
    text = run("--apply")
    assert rows(text)["ada"][1] == "conflict"
    assert "ada: an account has this name; if it is the same person" in text
    ada.refresh_from_db()
    assert not ada.groups.exists()
    mapping = tmp_path / "mapping.json"
    mapping.write_text(json.dumps({"usernames": {"ada": "ada"}}))
    assert rows(run("--mapping", mapping, "--apply"))["ada"][1] == "update"
    assert ada.groups.filter(name="course").exists()


def test_names_that_somebody_had_or_that_collide_are_conflicts(run, hub, bob):
    bob.username = "robert"
    bob.save()
    with closing(sqlite3.connect(hub)) as database:
        for number, name in ((9, "bob"), (10, "mary@example.org"), (11, "admin")):
            database.execute(ADD, (number, name, 0, str(number)))
        database.commit()
    text = run()
    for name in ("bob", "mary@example.org", "admin"):
        assert rows(text)[name][1] == "conflict"
    assert "bob: somebody had this name" in text
    assert "mary@example.org: another person of the hub gets this name" in text
    assert "admin: the name is reserved" in text


def test_limits_and_roles_come_from_what_the_operator_writes(run, tmp_path):
    mapping = tmp_path / "mapping.json"
    figures = {"people": {"ada": {"projects": 9}}, "groups": {"course": {"max_gpu": 1}}}
    mapping.write_text(json.dumps(figures))
    run("--mapping", mapping, "--admins-as", "operator", "--apply")
    ada, grace = (User.objects.get(username=name) for name in ("ada", "grace"))
    assert (limits_of(ada).projects, limits_of(ada).max_gpu) == (9, 1)
    assert grace.has_perm("quotas.change_limitset")
    assert run("--mapping", mapping, "--admins-as", "operator").count("unchanged") == 5
    mapping.write_text(json.dumps({"people": {"ada": {"projects": -1}}}))
    assert rows(run("--mapping", mapping))["ada"][1] == "conflict"


@pytest.mark.parametrize(
    ("option", "text", "words"),
    [
        ("--mapping", "{", "Expecting"),
        ("--mapping", '{"peple": {}}', "other keys"),
        ("--mapping", '{"people": {"ada": {"gpus": 1}}}', "there is no limit “gpus”"),
        ("--subjects", "ada\n", "row 1 is not a name and a subject"),
        ("--subjects", "ada,1\nbob,1\n", "there twice"),
        ("--subjects", "ada,1\n", "Name the provider"),
        ("--claims", "[]", "indices"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(run, tmp_path, option, text, words):
    file = tmp_path / "file"
    file.write_text(text)
    with pytest.raises(CommandError, match=words):
        run(option, file)


def claim(name: str, volume: str = "pv-1", **notes: str) -> dict[str, Any]:
    annotations = {f"hub.jupyter.org/{key}": value for key, value in notes.items()}
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "volumeName": volume,
            "dataSource": {}}  # fmt: skip
    return {"metadata": {"name": name, "annotations": annotations}, "spec": spec}


def test_claims_are_found_by_their_note_or_their_name(run, tmp_path):
    listing, manifests = tmp_path / "claims.json", tmp_path / "new.json"
    items = [claim("claim-bob-2el", "pv-b"), claim("grace-nfs-pvc", "pv-g"),
             claim("claim-x---1234", "pv-a", username="ada", servername=""),
             claim("claim-y---1234", username="ada", servername="second"),
             claim("hub-db-dir")]  # fmt: skip
    listing.write_text(json.dumps({"items": items}))
    text = run("--claims", listing, "--manifests", manifests)
    assert "claim-x---1234 → ada-nfs-pvc" in text
    assert "claim-bob-2el → bob-l-" in text
    assert "ada: claim claim-y---1234 of a named server: copy its files by hand" in text
    made = {each["spec"]["volumeName"]: each for each in json.loads(manifests.read_text())["items"]}
    assert set(made) == {"pv-a", "pv-b", "pv-g"}
    assert made["pv-a"]["metadata"] == {
        "name": "ada-nfs-pvc",
        "labels": {"app.kubernetes.io/managed-by": "bindery", "bindery/kind": "volume",
                   "bindery/owner": "ada"},
    }  # fmt: skip
    assert "dataSource" not in made["pv-a"]["spec"]


def test_names_are_escaped_as_kubespawner_does():
    assert source.escape("ada.l-2@x") == "ada-2el-2d2-40x"
    assert source.escape("zoë") == "zo-c3-ab"


class Api(BaseHTTPRequestHandler):
    """The part of a hub's API that lists people, in pages."""

    def do_GET(self) -> None:
        at = urlsplit(self.path)
        first, most = (int(parse_qs(at.query)[key][0]) for key in ("offset", "limit"))
        people = [{"name": f"p{number}", "admin": number == 0, "groups": ["course"],
                   "servers": {"": {}, "two": {}}} for number in range(130)]  # fmt: skip
        known = self.headers["Authorization"] == "token right"
        found = at.path == "/hub/api/users"
        if at.path == "/old/hub/api/users":  # without pages, as before JupyterHub 2
            first, most, found = 0, 1000, True
        body = json.dumps(people[first : first + min(most, 50)] if found else {}).encode()
        if at.path.startswith("/old"):
            body = json.dumps(people).encode()
        self.send_response(403 if not known else 200 if found else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def api() -> Iterator[str]:
    with ThreadServer(Api) as server:
        yield f"http://{server.address}"


@pytest.mark.parametrize("path", ["/hub/api", "/old/hub/api/"])
def test_the_api_is_read_to_the_last_page(api, path):
    found = source.from_api(f"{api}{path}", "right")
    assert [each.name for each in found] == [f"p{number}" for number in range(130)]
    assert found[0] == source.HubUser("p0", True, {"course"}, {"two"})


def test_what_is_wrong_with_the_hub_is_said(api, tmp_path):
    with pytest.raises(source.UnreadableHub, match="does not accept the token"):
        source.from_api(f"{api}/hub/api", "wrong")
    with pytest.raises(source.UnreadableHub, match="status 404"):
        source.from_api(f"{api}/hub", "right")
    with pytest.raises(source.UnreadableHub, match="does not answer"):
        source.from_api("http://127.0.0.1:9/hub/api", "right")
    (tmp_path / "other").write_text("no database")
    for place in (tmp_path / "other", tmp_path / "missing"):
        with pytest.raises(source.UnreadableHub, match="not the database of a hub"):
            source.from_database(str(place))


def test_secrets_come_from_the_environment_only(monkeypatch):
    monkeypatch.delenv("JUPYTERHUB_API_TOKEN", raising=False)
    with pytest.raises(CommandError, match="Set the variable JUPYTERHUB_API_TOKEN"):
        call_command("import_hub", "--api", "http://127.0.0.1:9/hub/api")
    with pytest.raises(CommandError, match="Set the variable HUB_DATABASE_URL"):
        call_command("import_hub", "--postgresql")
