"""Static files of a real JupyterLab go past web where nginx stands in front."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest

from tests import nginx
from tests.githttp import GitServer
from tests.stack import Api, Stack, eventually

pytestmark = [
    pytest.mark.stack,
    pytest.mark.slow("a build and a notebook behind nginx", seconds=180),
]

THEME = "/lab/api/themes/@jupyterlab/theme-light-extension/index.css"


def test_jupyterlabs_static_files_are_the_same_with_and_without_nginx(
    stack: Stack, git: GitServer, ada: Api, tmp_path: Path
) -> None:
    name = ada.launch(git.repository("ada/in-front", {"index.ipynb": "{}"}))
    ada.until(name, "ready")
    headers = {"Host": f"{name}.localhost", "Authorization": f"Bearer {ada.token}"}
    secret, ways = stack.environment["PORTAL_NGINX_SECRET"], tmp_path / "ways"

    def get(port: int, path: str) -> httpx.Response:
        answer = httpx.get(f"http://127.0.0.1:{port}{path}", headers=headers, timeout=30)
        assert answer.status_code == 200, path
        return answer

    with nginx.running(stack.port, "localhost", secret, ways) as front:
        paths = [THEME, *files(get(front, "/lab").text)]
        assert {path.split("/")[1] for path in paths} == {"static", "lab"}
        for path in paths:
            by_web, by_nginx = get(stack.port, path), get(front, path)
            assert by_web.content == by_nginx.content, path
            for field in ("content-type", "etag", "cache-control", "content-security-policy"):
                said = [sorted(each.headers.get_list(field)) for each in (by_web, by_nginx)]
                assert said[0] == said[1], (path, field)
        eventually(
            lambda: all(f"{path} unix:/" in ways.read_text() for path in paths),
            what="each of them going past web",
        )


def files(page: str) -> list[str]:
    """Return addresses of JupyterLab's own files, and of extensions installed beside it."""
    own = re.findall(r'src="(/static/lab/[^"]+)"', page)
    (settings,) = re.findall(r'id="jupyter-config-data"[^>]*>(.*?)</script>', page, re.DOTALL)
    beside = json.loads(settings)["federated_extensions"]
    return own[:3] + [f"/lab/extensions/{each['name']}/{each['load']}" for each in beside[:2]]
