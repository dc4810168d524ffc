"""Packed images that a build leaves behind are treated as untrusted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from bindery_builder import context, push
from bindery_builder.result import BuildFailed


def test_folders_and_plain_files_are_accepted(tmp_path):
    (tmp_path / "final").mkdir()
    (tmp_path / "final/manifest.json").write_text("{}")
    push.check_plain_files(tmp_path)


@pytest.mark.parametrize("name", ["final", "final/manifest.json"])
def test_a_link_in_the_image_folder_is_refused(name: str, tmp_path):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).symlink_to("/run")
    with pytest.raises(BuildFailed, match="not produce a valid image"):
        push.check_plain_files(tmp_path)


def test_a_link_in_place_of_the_image_folder_is_refused(tmp_path):
    (tmp_path / "image").symlink_to(tmp_path)
    with pytest.raises(BuildFailed, match="not produce a valid image"):
        push.check_plain_files(tmp_path / "image")


def test_a_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "manifest.json")
    with pytest.raises(BuildFailed, match="not produce a valid image"):
        push.check_plain_files(tmp_path)


def test_a_context_has_the_selected_files_and_unfollowed_links(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "deep/er").mkdir(parents=True)
    (source / "deep/file").write_text("x")
    (source / "link").symlink_to("/etc/passwd")
    (source / "way").symlink_to("deep")
    (source / "secret").write_text("x")
    context.fill(target, source, ["deep", "deep/er", "deep/file", "link", "way"])
    assert (target / "deep/file").samefile(source / "deep/file")
    assert Path(os.readlink(target / "link")) == Path("/etc/passwd")
    assert (target / "way").is_symlink()
    assert (target / "deep/er").is_dir()
    assert not (target / "secret").exists()
