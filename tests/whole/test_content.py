"""A project whose files are another repository's: on the whole portal, through two starts."""

from __future__ import annotations

import pytest

from tests.githttp import GitServer
from tests.kernel import Kernel
from tests.stack import Api

pytestmark = [pytest.mark.stack, pytest.mark.slow("a build and two notebooks", seconds=180)]

READ = "print(*(open('course/' + name).read() for name in {}))"


def test_edits_and_the_contents_new_commit_are_both_there_after_a_restart(
    git: GitServer, ada: Api
) -> None:
    environment = git.repository("ada/env", {"requirements.txt": "", "env.txt": "env"})
    lesson = {"both.txt": "1", "theirs.txt": "1", "mine.txt": "1", ".resources": "gpu 8\n"}
    content = git.repository("ada/course", lesson)
    name = ada.launch(environment, content=f"{content}@main", path="theirs.txt")
    project = ada.until(name, "ready")
    first = git.commit("ada/course")
    assert project["content"] == {
        "repository": content, "ref": "main", "commit": first, "folder": "course",
    }  # fmt: skip
    assert (project["commit"], project["path"]) == (git.commit("ada/env"), "theirs.txt")
    with Kernel(ada, name) as kernel:
        kernel.run("for name in ('both', 'mine'): open(f'course/{name}.txt', 'w').write('mine')")
        head = "import subprocess; print(subprocess.getoutput('git -C course log --format=%H'))"
        assert kernel.run(head) == f"{first}\n"
        assert kernel.run("import os; print(os.path.exists('env.txt'))") == "True\n"
    ada.verb(name, "stop")
    ada.until(name, "stopped")
    git.repository("ada/course", {**lesson, "both.txt": "2", "theirs.txt": "2"})
    ada.verb(name, "start")
    project = ada.until(name, "ready")
    second = git.commit("ada/course")
    assert project["content"]["commit"] == second
    names = ("both.txt", "mine.txt", "theirs.txt", f"both.txt.from-{second[:7]}")
    with Kernel(ada, name) as kernel:
        assert kernel.run(READ.format(names)) == "mine mine 2 2\n"
    said = " ".join(event["message"] for event in ada.story(name))
    assert f"The folder course has the content’s commit {first[:7]}." in said
    assert f"The folder course was updated to the content’s commit {second[:7]}: " in said
