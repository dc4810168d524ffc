"""A build is tried with JupyterLab if it may have changed what that loads, and not otherwise."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sessions.backends.local.keeper.trial import is_needed
from tests.backends.waiting import built, log

PACKAGES = "lib/python3.11/site-packages"


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Path, Path]:
    """A base and an environment that began with it."""
    base = tmp_path / "base"
    for name in (
        f"{PACKAGES}/jupyter_server/__init__.py",
        f"{PACKAGES}/jupyter_server/__pycache__/a.pyc",
        f"{PACKAGES}/six.py",
        f"{PACKAGES}/six-1.dist-info/RECORD",
        "bin/jupyter-lab",
        "etc/jupyter/config.d/lsp.json",
        "share/jupyter/kernels/python3/kernel.json",
    ):
        write(base / name)
    (base / "bin/python").symlink_to("/usr/bin/python3")
    shutil.copytree(base, tmp_path / "env", symlinks=True)
    return base, tmp_path / "env"


def write(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(text)


def test_packages_that_are_only_added_need_no_trial(trees):
    base, environment = trees
    write(environment / PACKAGES / "pandas/__init__.py")
    write(environment / PACKAGES / "pandas-2.dist-info/RECORD")
    points = "[console_scripts]\na = a:a\n[pandas_plotting_backends]\nb = pandas:b\n"
    write(environment / PACKAGES / "pandas-2.dist-info/entry_points.txt", points)
    write(environment / PACKAGES / "jupyter_server/__pycache__/b.pyc")
    write(environment / "bin/pandas")
    write(environment / "share/man/man1/pandas.1")
    assert not is_needed(base, environment, "3.11")


@pytest.mark.parametrize(
    "name",
    [
        f"{PACKAGES}/jupyter_server/auth.py",
        f"{PACKAGES}/six.py",
        f"{PACKAGES}/pandas.pth",
        f"{PACKAGES}/sitecustomize.py",
        f"{PACKAGES}/usercustomize/__init__.py",
        f"{PACKAGES}/old.egg-info/PKG-INFO",
        "bin/jupyter-lab",
        "etc/jupyter/config.d/more.json",
        "share/jupyter/kernels/xeus/kernel.json",
        "share/jupyter/labextensions/git/package.json",
    ],
)
def test_what_jupyterlab_may_load_needs_a_trial(trees, name: str):
    base, environment = trees
    write(environment / name)
    assert is_needed(base, environment, "3.11")


@pytest.mark.parametrize(
    "group", ["jupyter_client.kernel_provisioners", " Jupyter_server_proxy", "ipython.magics"]
)
def test_an_entry_point_of_jupyters_needs_a_trial(trees, group: str):
    base, environment = trees
    write(environment / PACKAGES / "a-1.dist-info/entry_points.txt", f"[b]\n\n[{group}]\nc = d\n")
    assert is_needed(base, environment, "3.11")


@pytest.mark.parametrize(
    "name", [f"{PACKAGES}/six-1.dist-info", "bin/jupyter-lab", "share/jupyter"]
)
def test_a_part_of_the_base_that_is_gone_needs_a_trial(trees, name: str):
    base, environment = trees
    path = environment / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert is_needed(base, environment, "3.11")


def test_an_illegible_package_needs_a_trial(trees):
    base, environment = trees
    (environment / PACKAGES / "a-1.dist-info/entry_points.txt").mkdir(parents=True)
    assert is_needed(base, environment, "3.11")


def test_a_build_that_only_adds_packages_ends_without_a_trial(backend, order):
    spec = built(backend, order({"requirements.txt": "iniconfig\n"}))
    assert "── Starting JupyterLab once" not in log(backend, spec.id)
