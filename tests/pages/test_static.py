"""Static files that pages load: ours or unchanged copies, all of them present, and not too much."""

from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders

from sessions.states import ProjectState
from tests.stages import project_in

FOLDER = Path(__file__).resolve().parents[2] / "portal" / "static"
MOST = 100 * 1024
LOADED = re.compile(r'(?:src|href)="/static/([^"]+)"')
IMPORTED = re.compile(r'(?:from|@import url\()\s*"([^"]+)"')


def test_vendored_files_match_their_checksums():
    lines = (FOLDER / "vendor" / "CHECKSUMS").read_text().splitlines()
    listed = {name: checksum for checksum, name in (line.split() for line in lines)}
    found = [*(FOLDER / "vendor").glob("*.js"), *(FOLDER / "vendor").glob("*.css")]
    assert listed == {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in found}
    for name in listed:
        assert (FOLDER / "vendor" / f"{name.partition('-')[0]}.LICENSE.txt").exists()


def test_static_files_load_nothing_from_other_hosts():
    for file in (FOLDER / "portal").rglob("*"):
        if file.is_file():
            text = file.read_text().replace("http://www.w3.org/2000/svg", "")
            assert not re.search(r"https?://|//[a-z0-9-]+\.", text), file


def source(name: str) -> Path:
    found = finders.find(name)
    assert found, name
    return Path(found)


def loaded_with(name: str) -> set[str]:
    """Return a file and the files that it loads, recursively."""
    path = source(name)
    names = {name}
    if path.suffix in {".js", ".css"} and "vendor" not in name:
        for other in IMPORTED.findall(path.read_text()):
            names |= loaded_with(str((path.parent / other).resolve().relative_to(FOLDER)))
    return names


@pytest.mark.django_db
def test_page_with_all_its_assets_is_small(ada, as_ada, backend):
    project = project_in(ProjectState.BUILDING, ada)
    for address in ("/", f"/projects/{project.name}/"):
        page = as_ada.get(address).content
        names = {each for name in LOADED.findall(page.decode()) for each in loaded_with(name)}
        assert len(names) >= 6
        sizes = [len(gzip.compress(source(name).read_bytes())) for name in names]
        assert len(gzip.compress(page)) + sum(sizes) < MOST
