"""A site's own package index stands for PyPI's, also where a repository names PyPI itself."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from tests.backends.waiting import finished, log
from tests.threadserver import ThreadServer

pytestmark = pytest.mark.slow("an environment is built", seconds=150)

METADATA = "Metadata-Version: 2.1\nName: only-here\nVersion: 1.0\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """The host of an index with one package that PyPI does not have."""
    folder = tmp_path / "simple/only-here"
    folder.mkdir(parents=True)
    name = "only_here-1.0-py3-none-any.whl"
    with zipfile.ZipFile(folder / name, "w") as wheel:
        wheel.writestr("only_here.py", "")
        wheel.writestr("only_here-1.0.dist-info/METADATA", METADATA)
        wheel.writestr("only_here-1.0.dist-info/WHEEL", WHEEL)
        wheel.writestr("only_here-1.0.dist-info/RECORD", "")
    (folder / "index.html").write_text(f'<a href="{name}">{name}</a>')

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *words: Any) -> None:
            super().__init__(*words, directory=str(tmp_path))

        def log_message(self, *words: object) -> None:
            """Write nothing."""

    with ThreadServer(Handler) as server:
        yield server.address


@pytest.mark.parametrize(
    "line", ["--index-url https://pypi.org/simple", "-i http://pypi.python.org/simple/"]
)
def test_requirements_that_name_pypi_are_installed_from_the_sites_index(
    backend, order, index, line, settings, monkeypatch
):
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://{index}/simple")
    settings.PORTAL_TRUSTED_HOSTS = [*settings.PORTAL_TRUSTED_HOSTS, index]
    spec = order({"requirements.txt": f"{line}\nonly-here\n"})
    backend.ensure_build(spec)
    assert finished(backend, spec).code == "", log(backend, spec.id)
    home = backend.folders.environment(spec.image) / "home"
    assert (home / "requirements.txt").read_text().startswith(line)
