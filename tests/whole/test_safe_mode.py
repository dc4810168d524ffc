"""A notebook that does not start, on the whole portal: safe mode, its reason, and the files."""

from __future__ import annotations

import pytest

from tests.githttp import GitServer
from tests.kernel import Kernel
from tests.stack import Api

pytestmark = [pytest.mark.stack, pytest.mark.slow("builds and notebooks", seconds=300)]

FAILS = "#!/bin/sh\necho the licence server is away\nexit 3\n"


def test_a_start_script_that_fails_leads_to_safe_mode_and_a_working_kernel(
    git: GitServer, ada: Api
) -> None:
    url = git.repository("ada/broken-start", {"start": FAILS, "index.ipynb": "{}"})
    name = ada.launch(url)
    assert ada.until(name, "ready")["safe_mode"] is True
    said = "\n".join(event["message"] for event in ada.story(name))
    assert "Your start script (start) ended before it started JupyterLab (status 3)." in said
    assert "the licence server is away" in said
    with Kernel(ada, name) as kernel:
        script = '#!/bin/sh\\nexec \\"$@\\"\\n'
        kernel.run(f"open('/home/jovyan/start', 'w').write(\"{script}\")")
        kernel.run("open('/home/jovyan/result.txt', 'w').write('kept')")
    files = ada.http.get(f"projects/{name}/files/", params={"path": "project"})
    assert (files.status_code, files.json()["code"]) == (409, "project.state")
    ada.verb(name, "stop")
    ada.until(name, "stopped")
    kept = ada.http.get(f"projects/{name}/files/", params={"path": "project/result.txt"})
    assert (kept.status_code, kept.content) == (200, b"kept")
    gone = ada.http.delete(f"projects/{name}/files/", params={"path": "project/result.txt"})
    assert gone.status_code == 204
    ada.verb(name, "start")
    assert ada.until(name, "ready")["safe_mode"] is False
    with Kernel(ada, name) as kernel:
        assert kernel.run("import os; print(os.path.exists('result.txt'))") == "False\n"
