"""A Dockerfile's context: what the repository's ignore file leaves out, however it was saved."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from bindery_builder import build, context
from bindery_builder.buildspec import BuildSpec
from bindery_builder.plan import Plan
from bindery_builder.result import BuildFailed

TEXT = "secret\n*.log\n"


@pytest.mark.parametrize("name", context.IGNORE_FILES)
@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        TEXT.replace("\n", "\r\n").encode("utf-16"),
        TEXT.replace("\n", "\r\n").encode(),
    ],
)
def test_an_ignore_file_is_read_whatever_it_was_saved_as(tmp_path: Path, name, content):
    (tmp_path / name).write_bytes(content)
    context.write_ignore_file(tmp_path, tmp_path / "plain")
    assert (tmp_path / "plain").read_bytes() == TEXT.encode()


def test_a_folder_is_no_ignore_file_and_the_first_file_counts(tmp_path: Path):
    context.write_ignore_file(tmp_path, tmp_path / "plain")
    assert not (tmp_path / "plain").exists()
    (tmp_path / ".containerignore").mkdir()
    (tmp_path / ".dockerignore").write_text("a\n")
    context.write_ignore_file(tmp_path, tmp_path / "plain")
    assert (tmp_path / "plain").read_text() == "a\n"
    (tmp_path / ".containerignore").rmdir()
    (tmp_path / ".containerignore").write_text("b\n")
    context.write_ignore_file(tmp_path, tmp_path / "plain")
    assert (tmp_path / "plain").read_text() == "b\n"


def test_an_ignore_file_that_is_no_text_is_named(tmp_path: Path):
    (tmp_path / ".dockerignore").write_bytes("a\nM\u00fcll\n".encode("latin-1"))
    with pytest.raises(BuildFailed, match=r"\.dockerignore is not text in UTF-8 \(line 2\)"):
        context.write_ignore_file(tmp_path, tmp_path / "plain")


@pytest.mark.servers
@pytest.mark.skipif(os.geteuid() != 0, reason="buildah needs uid 0, as it has in its pod")
def test_buildah_leaves_out_what_the_file_names(tmp_path: Path):
    spec = BuildSpec("", "", "", work=tmp_path)
    spec.plan.mkdir()
    spec.repository.mkdir()
    (spec.repository / "secret").touch()
    (spec.repository / "code").touch()
    (spec.repository / ".dockerignore").write_bytes("secret\r\n".encode("utf-16"))
    context.write_ignore_file(spec.repository, spec.ignore_file)
    (spec.plan / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    planned = Plan("dockerfile", has_own_dockerfile=True, context=str(spec.repository), images=[])
    buildah = ["buildah", "--root", f"{tmp_path}/root", "--runroot", f"{tmp_path}/run",
               "--storage-driver", "vfs"]  # fmt: skip
    options = build._build_options(spec, planned)
    done = subprocess.run([*buildah, *options], capture_output=True, text=True, check=True)
    image = done.stdout.split()[-1]
    subprocess.run([*buildah, "push", image, f"dir:{tmp_path}/image"], check=True)
    manifest = json.loads((tmp_path / "image/manifest.json").read_text())
    layer = tmp_path / "image" / manifest["layers"][-1]["digest"].partition(":")[2]
    listed = subprocess.run(["tar", "-tf", layer], capture_output=True, text=True, check=True)
    assert {"code", "secret"} & set(listed.stdout.split()) == {"code"}
