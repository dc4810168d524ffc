"""Launches on the real thing, from an address to a notebook, or to a sentence that says why not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.githttp import GitServer
from tests.kernel import Kernel
from tests.stack import Api, Stack, eventually

pytestmark = [pytest.mark.stack, pytest.mark.slow("builds and notebooks", seconds=180)]

RECONCILE = "from sessions.watch.reconcile import reconcile; reconcile()"
KEPT = "from sessions.models import Project; print(Project.objects.get(name='{}').drops)"
COUNT_BUILDS = "from sessions.models import Build; print(Build.objects.filter(commit='{}').count())"


def test_simultaneous_launches_share_one_build_and_its_whole_log(
    stack: Stack, git: GitServer, ada: Api, bob: Api
) -> None:
    post_build = "#!/bin/bash\nfor n in $(seq 30); do echo line $n; sleep 0.05; done\n"
    url = git.repository("ada/shared", {"postBuild": post_build}, executable=["postBuild"])
    with ThreadPoolExecutor() as pool:
        names = list(pool.map(lambda api: api.launch(url), (ada, bob)))
    logs = []
    for api, name in zip((ada, bob), names, strict=True):
        api.until(name, "ready")
        logs.append(api.log(name))
    assert logs[0] == logs[1]
    assert [line for line in logs[0] if line.startswith("line ")] == [
        f"line {number}" for number in range(1, 31)
    ]
    assert stack.manage("shell", "-v0", "-c", COUNT_BUILDS.format(git.commit("ada/shared"))) == "1"


def test_files_on_the_volume_are_in_every_notebook_of_the_person(git: GitServer, ada: Api) -> None:
    first = ada.launch(git.repository("ada/one", {"index.ipynb": "{}"}))
    ada.until(first, "ready")
    with Kernel(ada, first) as kernel:
        kernel.run("open('/home/ada-nfs-pvc/result.txt', 'w').write('kept')")
    second = ada.launch(git.repository("ada/two", {"index.ipynb": "{ }"}))
    ada.until(second, "ready")
    with Kernel(ada, second) as kernel:
        assert kernel.run("print(open('/home/ada-nfs-pvc/result.txt').read())") == "kept\n"
        assert kernel.run("import os; print(sorted(os.listdir('/home')))") == (
            "['ada-nfs-pvc', 'jovyan']\n"
        )


def test_a_deleted_project_is_restored_with_its_files_until_deleted_for_good(
    stack: Stack, git: GitServer, ada: Api
) -> None:
    name = ada.launch(git.repository("ada/regretted", {"index.ipynb": "{}"}))
    ada.until(name, "ready")
    with Kernel(ada, name) as kernel:
        kernel.run("open('/home/jovyan/mine.txt', 'w').write('mine')")
    ada.delete(name, for_good=False)
    assert ada.http.get(f"projects/{name}/").status_code == 404
    stack.manage("shell", "-c", RECONCILE)
    ada.verb(name, "restore")
    ada.until(name, "stopped")
    ada.verb(name, "start")
    ada.until(name, "ready")
    with Kernel(ada, name) as kernel:
        assert kernel.run("print(open('/home/jovyan/mine.txt').read())") == "mine\n"
    assert "Restored by ada." in [event["message"] for event in ada.story(name)]
    ada.delete(name)
    eventually(
        lambda: stack.manage("shell", "-v0", "-c", KEPT.format(name)) == "None",
        within=180,
        what="its end",
    )
    assert ada.http.post(f"projects/{name}/restore/").status_code == 404


def test_a_new_commit_is_merged_and_the_timeline_names_the_conflict(
    git: GitServer, ada: Api
) -> None:
    url = git.repository("ada/moving", {"both.txt": "1", "theirs.txt": "1", "mine.txt": "1"})
    name = ada.launch(url)
    ada.until(name, "ready")
    with Kernel(ada, name) as kernel:
        kernel.run("for name in ('both', 'mine'): open(name + '.txt', 'w').write('mine')")
    ada.verb(name, "stop")
    ada.until(name, "stopped")
    git.repository("ada/moving", {"both.txt": "2", "theirs.txt": "2", "mine.txt": "1"})
    ada.verb(name, "rebuild")
    ada.until(name, "ready")
    beside = f"both.txt.from-{git.commit('ada/moving')[:7]}"
    with Kernel(ada, name) as kernel:
        names = ("both.txt", "mine.txt", "theirs.txt", beside)
        read = f"print(*(open(name).read() for name in {names}))"
        assert kernel.run(read) == "mine mine 2 2\n"
    said = [event["message"] for event in ada.story(name)]
    assert [message for message in said if beside in message]


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"Dockerfile": "FROM scratch\n"}, "build.needs-containers"),
        ({"environment.yml": "dependencies: []\n"}, "build.needs-containers"),
        ({"apt.txt": "vim\n"}, "build.needs-containers"),
        ({"requirements.txt": "no-such-package-on-earth==0.0.1\n"}, "build.requirements"),
        ({"postBuild": "#!/bin/bash\necho alas\nexit 3\n"}, "build.post-build"),
    ],
)
def test_a_failed_build_has_a_code_and_a_message(
    git: GitServer, ada: Api, files: dict[str, str], code: str
) -> None:
    url = git.repository(
        "ada/broken", files, executable=[name for name in files if "." not in name]
    )
    name = ada.launch(url)
    project = ada.until(name, "failed", "ready")
    assert (project["state"], project["code"]) == ("failed", code)
    assert project["message"].endswith(".")
    assert ada.story(name)[-1]["code"] == code


def test_the_bundled_examples_run(stack: Stack, ada: Api) -> None:
    for example in ("hello", "flowers"):
        name = ada.launch(f"{stack.url}/examples/{example}.git")
        ada.until(name, "ready")
        with Kernel(ada, name) as kernel:
            assert kernel.run("import os; print(os.path.exists('index.ipynb'))") == "True\n"
        assert not [line for line in ada.log(name) if line.startswith(("fatal: ", "error: "))]


def test_other_addresses_of_the_portal_are_not_fetched(
    git: GitServer, stack: Stack, ada: Api
) -> None:
    wish = {"repository": f"{stack.url}/admin/examples/hello.git"}
    answer = ada.http.post("projects/", json=wish)
    assert (answer.status_code, answer.json()["code"]) == (400, "launch.address-portal")
    name = ada.launch(git.redirect("ada/lure", f"{stack.url}/admin/examples/hello.git"))
    project = ada.until(name, "failed", "ready")
    assert (project["state"], project["code"]) == ("failed", "launch.address-private")
