"""A stranger's program reads all it can of all processes that it sees and finds nothing of the
portal's.
"""

from __future__ import annotations

import pytest

from tests.backends.bare import SECRET, run

LOOK = """
import os, re, sys

# What is looked for is never whole in this process, which looks at itself as well.
begin, rest = (bytes(each ^ 1 for each in part) for part in %(hidden)r)
found = set()

def look(name, data):
    at = data.find(begin)
    while at >= 0:
        if data.startswith(rest, at + len(begin)):
            found.add(name)
        at = data.find(begin, at + 1)

def memory(process):
    with open(f"/proc/{process}/maps") as maps, open(f"/proc/{process}/mem", "rb", 0) as file:
        for line in maps:
            first, end = (int(each, 16) for each in line.split()[0].split("-"))
            if "r" in line.split()[1] and end - first < 1 << 28:
                try:
                    file.seek(first)
                    look(f"{process}: memory", file.read(end - first))
                except (OSError, OverflowError, ValueError):
                    pass

processes = [int(each) for each in os.listdir("/proc") if each.isdigit()]
for process in processes:
    for name in ("environ", "cmdline", "auxv", "maps", "smaps", "stat", "status", "limits", "stack",
                 "cgroup", "comm", "wchan", "syscall", "sched", "io", "numa_maps", "personality"):
        try:
            look(f"{process}: {name}", open(f"/proc/{process}/{name}", "rb").read())
        except OSError:
            pass
    try:
        memory(process)
    except OSError:
        pass
    for name in ("cwd", "root", "exe", *(f"fd/{number}" for number in range(64))):
        path = f"/proc/{process}/{name}"
        try:
            look(f"{process}: {name}", os.readlink(path).encode())
        except OSError:
            continue
        try:
            file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            look(f"{process}: in {name}", os.read(file, 1 << 20))
        except OSError:
            pass
print(sorted(found))
shut = []
for name in ("environ", "mem", "maps", "fd", "root", "cwd", "exe", "map_files"):
    try:
        path = f"/proc/1/{name}"
        os.readlink(path) if os.path.islink(path) else os.listdir(path) if os.path.isdir(path) \\
            else open(path, "rb").read(1)
    except OSError as error:
        shut.append((name, error.errno == 13))
print(len(shut), all(is_refused for _name, is_refused in shut))
print(1 in processes, len(processes) > 2)
"""

portals = pytest.mark.parametrize("as_root", [True, False], ids=["root", "ordinary user"])


def looked_for(text: str, *, as_root: bool) -> list[str]:
    hidden = [bytes(each ^ 1 for each in part.encode()) for part in (text[:4], text[4:])]
    return run(LOOK % {"hidden": hidden}, as_root=as_root).output.splitlines()


@portals
@pytest.mark.parametrize("what", [SECRET, "/run/server-1/io", "keeper"])
def test_no_process_shows_secrets_or_paths_of_the_machine(what: str, as_root: bool):
    seen, shut, there = looked_for(what, as_root=as_root)
    assert seen == "[]"
    assert there == "True True"
    assert shut == "8 True"


def test_the_search_finds_what_is_visible():
    """Its own words are in the memory of the first process as well, which cannot be looked at."""
    seen, *_more = looked_for("/run/program", as_root=True)
    assert "cmdline" in seen and "1: cmdline" in seen
    assert "memory" in seen and "1: memory" not in seen
