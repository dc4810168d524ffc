"""Sign-ins at large institutions, against the certified provider.

Hundreds of groups, clocks that differ, addresses from the history, new subjects.
"""

from __future__ import annotations

import re

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.test import Client

from portal.accounts.oidc import people
from portal.accounts.oidc.claims import Policy, fit_group_name
from portal.models import SignIn, User
from quotas.models import LimitSet
from sessions.states import ProjectState
from tests.conftest import signed_in
from tests.oidc.certified import Provider as Certified
from tests.oidc.conftest import walk
from tests.stages import project_in

pytestmark = pytest.mark.slow("a provider is started for each test", seconds=60)


def text(answer) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", answer.content.decode()).split())


def test_all_of_three_hundred_groups_count_and_the_relevant_are_stored(
    certified: Certified, settings
):
    settings.OIDC_POLICY = Policy(
        roles={"z-operators": frozenset({"operator"})}, allow_groups=frozenset({"z-members"})
    )
    LimitSet.objects.create(group=Group.objects.create(name="z-gpu"), max_gpu=2)
    many = [f"group-{n:03}" for n in range(300)]
    certified.put("1", groups=[*many, "z-gpu", "z-members", "z-operators"])
    client = Client()
    assert walk(client).status_code == 302
    ada = User.objects.get()
    mine = set(ada.groups.values_list("name", flat=True))
    assert {"z-gpu", "z-members", "z-operators", "operator"} <= mine
    assert ada.is_staff
    assert len(mine) == people.MAX_GROUPS + 1
    page = client.post("/sign-out/").content.decode()
    (address,) = re.findall(r"0;url=([^\"]*)", page)
    assert len(address) < 4096  # an id token of this length fits no address


def test_thousand_long_names_of_groups_do_not_keep_anybody_out(certified: Certified, settings):
    long = [f"CN=group {n},OU=Departments of the university,DC=example,DC=org" for n in range(1000)]
    settings.OIDC_POLICY = Policy(roles={fit_group_name(long[-1]): frozenset({"viewer"})})
    certified.put("1", groups=long)
    assert walk(Client()).status_code == 302
    assert User.objects.get().is_staff


def test_old_callback_address_leads_home_if_one_is_signed_in(certified: Certified):
    client = Client()
    used = walk(client).callback
    for address in (used, "/oidc/campus/callback/", "/oidc/campus/callback/?code=a&state=b"):
        answer = client.get(address)
        assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    assert client.get("/account/").status_code == 200
    assert SignIn.objects.count() == 1
    assert "oidc.state" in text(Client().get(used))


@pytest.mark.parametrize(("ahead", "said"), [(75, "behind"), (-500, "ahead")])
def test_clocks_that_differ_are_named_with_the_difference(
    ahead, said, certified: Certified, caplog
):
    certified.clock = ahead
    certified.write()
    answer = walk(Client())
    assert answer.status_code == 400
    (seconds,) = re.findall(r"clocks .* differ by (\d+) seconds", text(answer))
    assert abs(int(seconds) - abs(ahead)) <= 5
    assert f"this portal's is {said}".replace("'", "&#x27;") in text(answer)
    assert re.search(rf"our clock is {seconds} s {said}", caplog.text)
    assert not User.objects.exists()


def test_clocks_that_differ_by_less_than_a_minute_do_no_harm(certified: Certified):
    certified.clock = 45
    certified.write()
    assert walk(Client()).status_code == 302


def test_person_with_a_new_subject_gets_the_old_account_back(certified: Certified, root):
    walk(Client())
    old = User.objects.get(username="ada")
    certified.put("2", preferred_username="ada")
    newer = Client()
    walk(newer, "2")
    other = User.objects.get(subject="2")
    assert other.username == "ada-2"
    page = f"/admin/portal/user/{old.pk}/join/"
    answer = signed_in(root).post(page, {"username": "ada-2"})
    assert answer.status_code == 302, text(answer)
    assert newer.get("/account/").status_code == 302
    again = Client()
    walk(again, "2")
    assert again.get("/api/v1/me/").json()["username"] == "ada"
    other.refresh_from_db()
    assert (other.subject, other.is_active) == ("", False)
    changed = LogEntry.objects.filter(object_pk=str(old.pk), actor=root)
    assert any("subject" in (entry.changes or {}) for entry in changed)


def test_joining_is_for_superusers_and_for_accounts_without_projects(
    certified: Certified, backend, stan, root
):
    walk(Client())
    old = User.objects.get(username="ada")
    certified.put("2", preferred_username="ada")
    walk(Client(), "2")
    page = f"/admin/portal/user/{old.pk}/join/"
    assert signed_in(stan).post(page, {"username": "ada-2"}).status_code == 403
    assert Client().post(page, {"username": "ada-2"}).status_code == 302
    project_in(ProjectState.STOPPED, User.objects.get(username="ada-2"))
    answer = signed_in(root).post(page, {"username": "ada-2"})
    assert "has projects" in text(answer)
    for wrong in ("nobody", "root", "ada"):
        answer = signed_in(root).post(page, {"username": wrong})
        assert answer.status_code == 200
    assert User.objects.get(pk=old.pk).subject == "1"


def test_accounts_move_to_a_new_provider(certified: Certified, tmp_path, capsys):
    before = "https://old.example.org"
    for subject in ("10", "20", "30"):
        User.objects.create_user(f"person-{subject}", issuer=before, subject=subject)
    walk(Client())  # ada, who has signed in with the new one already
    mapping = tmp_path / "subjects.csv"
    mapping.write_text("10,2\n20,1\n")
    arguments = [before, certified.issuer, "--subjects", str(mapping)]
    call_command("move_provider", *arguments, "--dry-run")
    assert User.objects.filter(issuer=before).count() == 3
    call_command("move_provider", *arguments)
    said = capsys.readouterr().out
    assert "person-30: no new subject" in said
    assert "person-20: ada already has the new identity" in said
    client = Client()
    walk_as_two(client, certified)
    assert client.get("/api/v1/me/").json()["username"] == "person-10"
    with pytest.raises(CommandError):
        call_command("move_provider", "https://nobody.example.org", certified.issuer)


def walk_as_two(client: Client, certified: Certified) -> None:
    certified.put("2", preferred_username="somebody")
    walk(client, "2")
