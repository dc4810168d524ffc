"""Why a build failed, from what buildah 1.28 wrote in real builds that failed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bindery_builder import memory
from bindery_builder.plan import Plan
from bindery_builder.step_failure import StepTracker, error_code

OWN = Plan(buildpack="dockerfile", has_own_dockerfile=True, context="", images=[], declared_lines=2)
RENDERED = Plan(
    buildpack="python", has_own_dockerfile=False, context="", images=[], declared_lines=1
)

FAILED = """\
STEP 1/9: FROM r.example/jupyter:1
STEP 2/9: ARG PIP_CERT='/etc/ca.crt'
--> 4b53b701c72
STEP 3/9: ARG SSL_CERT_FILE='/etc/ca.crt'
--> c27068c62a9
STEP 4/9: USER 0
--> d3cbeb4de79
STEP 5/9: RUN useradd -u 1234 zed
/bin/sh: line 1: useradd: command not found
subprocess exited with status 127
subprocess exited with status 127
Error: building at STEP "RUN useradd -u 1234 zed": exit status 127
"""
KILLED = """\
STEP 1/4: FROM r.example/jupyter:1
STEP 4/4: RUN make
Killed
subprocess exited with status 137
subprocess exited with status 137
Error: building at STEP "RUN make": exit status 137
"""
STAGES = """\
[1/2] STEP 1/4: FROM r.example/jupyter:1 AS one
[1/2] STEP 4/4: RUN date > /one
--> 7d98824a705
[2/2] STEP 1/6: FROM r.example/jupyter:1
[2/2] STEP 2/6: ARG PIP_CERT='/etc/ca.crt'
--> Using cache 4b53b701c72ee9b6dd0cb8a4ad3eb853b999346578740933b94e4d5c3c916bf1
--> 4b53b701c72
[2/2] STEP 6/6: COPY nope /x
Error: building at STEP "COPY nope /x": checking on sources under "/build/repository": no such file
"""
FULL = """\
STEP 1/3: FROM r.example/jupyter:1
STEP 3/3: RUN dd if=/dev/zero of=/x
dd: error writing '/x': No space left on device
Error: building at STEP "RUN dd if=/dev/zero of=/x": exit status 1
"""
UNREADABLE = 'Error: parsing main Dockerfile: /build/plan/Dockerfile: unknown instruction: "RUNN"\n'
OTHER_PYTHON = """\
STEP 4/9: RUN --mount=type=bind,source=prepare.py,target=/run/prepare.py python3 prepare.py 3.9
The repository asks for Python 3.9; this portal has 3.11.
subprocess exited with status 3
Error: building at STEP "RUN --mount=type=bind,source=prepare.py python3 prepare.py": exit status 3
"""


def seen(text: str, plan: Plan) -> StepTracker:
    steps = StepTracker(plan)
    for line in text.splitlines():
        steps.feed(line)
    return steps


@pytest.mark.parametrize(
    ("text", "plan", "code", "words"),
    [
        (FAILED, OWN, "build.dockerfile", "Step 3 of 7 (RUN useradd -u 1234 zed) failed"),
        (STAGES, OWN, "build.dockerfile", "Step 4 of 4 in stage 2 of 2 (COPY nope /x) failed"),
        (KILLED, OWN, "build.out-of-memory", "Step 2 of 2 (RUN make)"),
        (KILLED, RENDERED, "build.out-of-memory", "(RUN make)"),
        (FULL, OWN, "build.disk-full", "room"),
        (UNREADABLE, OWN, "build.dockerfile", "could not be read"),
        (OTHER_PYTHON, RENDERED, "build.python-missing", "asks for Python 3.9; this portal has"),
        ("", RENDERED, "build.internal", "could not be read"),
    ],
)
def test_a_failure_has_a_code_and_names_the_step(text: str, plan: Plan, code: str, words: str):
    failure = seen(text, plan).failure()
    assert failure.code == code
    assert words in failure.message


def test_a_known_mistake_explains_the_failure_of_its_own_step():
    plan = replace(RENDERED, mistakes={"requirements.txt": "Line 1 is odd.", "postBuild": "Sudo."})
    step = 'STEP 4/9: RUN python3 -m pip install --no-cache-dir -r "requirements.txt"\n'
    assert seen(step, plan).failure().message.endswith("the last lines of the log. Line 1 is odd.")
    assert seen("STEP 4/9: RUN ./postBuild\n", plan).failure().message.endswith("log. Sudo.")
    assert seen("STEP 4/9: RUN make\n", plan).failure().message.endswith("log.")


def test_out_of_memory_takes_precedence_over_the_steps_own_error():
    assert seen(FAILED, OWN).failure(out_of_memory=True).code == "build.out-of-memory"


@pytest.mark.parametrize(
    ("text", "ran_out"),
    [
        ("low 0\noom 3\noom_kill 0\n", False),
        ("low 0\noom 3\noom_kill 2\n", True),
        ("oom_kill_disable 1\nunder_oom 0\noom_kill 0\n", False),
        ("oom_kill_disable 0\nunder_oom 0\noom_kill 12\n", True),
    ],
)
def test_an_oom_kill_is_read_from_the_cgroup_events(text: str, ran_out: bool, tmp_path):
    (tmp_path / "events").write_text(text)
    assert memory.ran_out([tmp_path / "nothing", tmp_path / "events"]) is ran_out


def test_the_images_of_all_steps_are_known_in_order():
    steps = seen(STAGES, OWN)
    assert list(steps.committed) == ["7d98824a705", "4b53b701c72"]
    assert steps.final == "4b53b701c72"


@pytest.mark.parametrize(
    ("step", "code"),
    [
        ('RUN python3 -m pip install --no-cache-dir -r "requirements.txt"', "build.requirements"),
        ('RUN ${KERNEL_PYTHON_PREFIX}/bin/pip install --no-cache-dir -r "binder/requirements.txt"',
         "build.requirements"),
        ("RUN cd . && python3 -m pipenv install --skip-lock --system --dev", "build.requirements"),
        ("RUN apt-get install --yes --no-install-recommends tree &&     rm -rf /var/lib/*",
         "build.requirements"),
        ('RUN TIMEFORMAT=x bash -c \'time mamba env update -p p --file "environment.yml"\'',
         "build.requirements"),
        ("RUN Rscript install.R", "build.requirements"),
        ("RUN python3 -m pip install --no-cache-dir .", "build.package"),
        ("RUN ${KERNEL_PYTHON_PREFIX}/bin/pip install --no-cache-dir .", "build.package"),
        ("RUN chmod +x postBuild && ./postBuild", "build.post-build"),
        ("RUN ./binder/postBuild", "build.post-build"),
        ("RUN apt-get -qq install --yes --no-install-recommends locales > /dev/null",
         "build.internal"),
        ("COPY --chown=1000:1000 src/ ${REPO_DIR}/", "build.internal"),
    ],
)  # fmt: skip
def test_each_generated_step_has_an_error_code(step: str, code: str):
    assert error_code(step) == code
