"""Real programs in a notebook, which the sandbox must not break."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.backends.bare import run
from tests.backends.inside import Inside

pytestmark = [
    pytest.mark.long,
    pytest.mark.slow("real programs are installed and run", seconds=180),
]

POSTGRESQL = """
import glob, os, subprocess
(programs,) = glob.glob("/usr/lib/postgresql/*/bin")[-1:]
os.environ["PATH"] += ":" + programs
def run(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout
run("initdb", "--no-sync", "-D", "/tmp/data")
run("pg_ctl", "-D", "/tmp/data", "-w", "-l", "/tmp/log",
    "-o", "-k /tmp -c listen_addresses=", "start")
total = "select sum(n) from generate_series(1, 100000) n"
print(run("psql", "-h", "/tmp", "-tAc", total, "postgres"))
print(run("ipcs", "-m"))
run("pg_ctl", "-D", "/tmp/data", "-w", "-m", "fast", "stop")
"""


@pytest.mark.parametrize("group", [True, False], ids=["cgroup", "no cgroup"])
def test_postgresql_runs_in_a_sandbox(group: bool):
    assert Path("/usr/lib/postgresql").is_dir()
    outcome = run(POSTGRESQL, group=group, memory=1_000_000_000)
    assert outcome.end == "0", outcome
    assert "5000050000" in outcome.output
    assert " 56 " in outcome.output  # its one segment


NUMBERS = """
import subprocess, sys
subprocess.run([sys.executable, "-m", "pip", "install", "-q", "numpy"], check=True)
subprocess.run([sys.executable, "-c", '''
import concurrent.futures, multiprocessing, multiprocessing.shared_memory, numpy
a = numpy.random.default_rng(1).random((600, 600))
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    same = list(pool.map(lambda _: (a @ a).sum(), range(8)))
print("threads", len(set(same)))
with multiprocessing.Pool(3) as pool:
    print("processes", sum(pool.map(abs, range(-10, 0))))
shared = multiprocessing.shared_memory.SharedMemory(create=True, size=10_000_000)
numpy.ndarray((1000,), buffer=shared.buf)[:] = 1
shared.close(); shared.unlink()
'''], check=True)
"""


def test_packages_from_pip_compute_in_threads_and_processes(inside: Inside):
    text = inside.output(NUMBERS)
    assert "threads 1" in text and "processes 55" in text, text


DEBUGGED = """
import subprocess, sys
open("/tmp/child.py", "w").write('''
import threading, debugpy
debugpy.listen(("127.0.0.1", 5678))
print("listening")
''')
print(subprocess.run([sys.executable, "-Xfrozen_modules=off", "/tmp/child.py"], text=True,
                     capture_output=True, timeout=60))
"""


def test_the_kernel_debugger_listens(inside: Inside):
    assert "listening" in inside.output(DEBUGGED)


INTERRUPTED = """
import jupyter_client
manager = jupyter_client.KernelManager(transport="ipc", ip="/tmp/kernel")
manager.start_kernel()
client = manager.blocking_client()
client.start_channels()
client.wait_for_ready(timeout=30)
client.execute("import os, signal, time; print(os.getpid()); time.sleep(60)")
while client.get_iopub_msg(timeout=30)["msg_type"] != "stream":
    pass
manager.interrupt_kernel()
while (answer := client.get_shell_msg(timeout=30))["msg_type"] != "execute_reply":
    pass
print(answer["content"]["ename"])
manager.shutdown_kernel(now=True)
"""


def test_a_kernel_can_be_interrupted(inside: Inside):
    assert "KeyboardInterrupt" in inside.output(INTERRUPTED)
