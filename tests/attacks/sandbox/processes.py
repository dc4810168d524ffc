"""Other processes: how they were started, what they hold, and power over them."""

from __future__ import annotations

from tests.attacks.attempt import ON_ONE_MACHINE
from tests.attacks.programs import NOTEBOOK, Program

KIND = "processes"


def _of_all(file: str) -> str:
    """Return a program that looks for the portal's secrets in a file of every process."""
    return f"return leaks(readable(f'/proc/{{pid}}/{file}' for pid in processes()), needles)"


def _opened(path: str) -> str:
    return f"return read({path!r}) or None"


LOOKS = [
    Program(KIND, f"find a secret of the portal in the {file} of any process", _of_all(file))
    for file in ("environ", "cmdline", "maps", "auxv", "cgroup", "smaps")
]
THREADS = Program(
    KIND,
    "find a secret of the portal in the environment of any thread",
    "import glob\nreturn leaks(readable(glob.glob('/proc/[0-9]*/task/*/environ')), needles)",
)
FIRST = [
    Program(
        KIND,
        "find a variable of the portal's in the environment of process 1",
        "found = read('/proc/1/environ').decode().split(chr(0))\n"
        "ours = ('PORTAL_', 'DATABASE_', 'REDIS_', 'OIDC_', 'DJANGO_', 'SSH_', 'AWS_SECRET', 'AWS_ACCESS')\n"
        "return [each.partition('=')[0] for each in found if each.startswith(ours)]",
    ),
    Program(
        KIND,
        "read the memory of process 1",
        "import re\n"
        "maps = read('/proc/1/maps').decode().splitlines()\n"
        "first = next(each for each in maps if ' r' in each)\n"
        "begin = int(first.partition('-')[0], 16)\n"
        "with open('/proc/1/mem', 'rb', 0) as memory:\n"
        "    memory.seek(begin)\n"
        "    return memory.read(16)",
        backends=ON_ONE_MACHINE,
    ),
    Program(
        KIND,
        "write the memory of process 1",
        "with open('/proc/1/mem', 'r+b', 0) as memory:\n    return memory.fileno()",
        backends=ON_ONE_MACHINE,
    ),
    Program(
        KIND,
        "open what process 1 has open",
        "found = {}\n"
        "for number in os.listdir('/proc/1/fd'):\n"
        "    target = os.readlink(f'/proc/1/fd/{number}')\n"
        "    if not target.startswith(('/dev/null', 'pipe:', 'anon_inode:', 'socket:')):\n"
        "        found[number] = target\n"
        "return found",
        backends=ON_ONE_MACHINE,
    ),
    Program(
        KIND,
        "see a folder of the machine through process 1",
        "seen = [os.path.realpath(f'/proc/1/{name}') for name in ('root', 'cwd')]\n"
        "return [each for each in seen if each.startswith(data)]",
        backends=ON_ONE_MACHINE,
    ),
    Program(
        KIND,
        "walk out through the root of process 1",
        "return [each for each in os.listdir('/proc/1/root/..') if each in ('work', 'root', 'boot')]",
        backends=ON_ONE_MACHINE,
    ),
    Program(
        KIND,
        "take a descriptor of process 1",
        "handle = call(434, 1, 0)\n"
        "return [each for each in range(64) if libc.syscall(438, handle, each, 0) >= 0]",
        backends=ON_ONE_MACHINE,
    ),
    Program(
        KIND,
        "read the memory of process 1 by process_vm_readv",
        "import ctypes\n"
        "begin = int(read('/proc/1/maps').partition(b'-')[0], 16)\n"
        "room = ctypes.create_string_buffer(16)\n"
        "here = (ctypes.c_ulong * 2)(ctypes.addressof(room), 16)\n"
        "there = (ctypes.c_ulong * 2)(begin, 16)\n"
        "return call(310, 1, here, 1, there, 1, 0)",
        backends=ON_ONE_MACHINE,
    ),
    Program(KIND, "attach to process 1 as a debugger", "return call(101, 16, 1, 0, 0) + 1",
            backends=ON_ONE_MACHINE),
    Program(KIND, "seize process 1 as a debugger", "return call(101, 0x4206, 1, 0, 0) + 1",
            backends=ON_ONE_MACHINE),
    Program(KIND, "compare what process 1 holds with what one holds oneself",
            "return call(312, 1, os.getpid(), 1, 0, 0) + 1", backends=ON_ONE_MACHINE),
    Program(KIND, "stop process 1",
            "os.kill(1, signal.SIGSTOP)\ntime.sleep(0.2)\n"
            "return b'stopped' if b'State:\\tT' in read('/proc/1/status') else None",
            places=frozenset({NOTEBOOK})),
    Program(KIND, "see what process 1 waits in", "return read('/proc/1/syscall').strip(b'\\0\\n')",
            backends=ON_ONE_MACHINE, severity="weak"),
    Program(KIND, "see the stack of process 1 in the kernel", "return read('/proc/1/stack')"),
]  # fmt: skip
OUTSIDE = [
    Program(
        KIND,
        "see a process of the machine",
        "names = [read(f'/proc/{pid}/cmdline') for pid in processes()]\n"
        "ours = (b'manage.py', b'uvicorn', b'qcluster', b'forkserver', b'keeper')\n"
        "return [name for name in names if any(each in name for each in ours)]",
    ),
    Program(
        KIND,
        "signal every number that a process of the machine may have",
        "mine = {int(pid) for pid in processes()}\n"
        "hit = []\n"
        "for pid in range(2, 40000):\n"
        "    if pid not in mine and libc.kill(pid, 0) == 0 and not os.path.exists(f'/proc/{pid}'):\n"
        "        hit.append(pid)\n"
        "threads = {t for p in processes() for t in os.listdir(f'/proc/{p}/task')}\n"
        "return [pid for pid in hit if str(pid) not in threads][:5]",
        backends=ON_ONE_MACHINE,
    ),
    Program(
        KIND,
        "open the parent by its number outside",
        "status = read('/proc/self/status').decode()\n"
        "line = next(each for each in status.splitlines() if each.startswith('NSpid'))\n"
        "return line.split()[2:]",
    ),
    *(
        Program(KIND, f"read {path}", _opened(path))
        for path in ("/proc/kcore", "/proc/kmsg", "/proc/sched_debug", "/proc/timer_list",
                     "/proc/vmallocinfo", "/proc/slabinfo", "/proc/kpagecount")
    ),
    Program(
        KIND,
        "learn addresses of the kernel",
        "lines = read('/proc/kallsyms').decode().splitlines()[:50]\n"
        "return [each for each in lines if not each.startswith('0000000000000000')]",
    ),
    Program(KIND, "read the kernel's log", "room = ctypes.create_string_buffer(4096)\n"
            "return call(103, 3, room, 4096)"),
    Program(
        KIND,
        "see keys of others",
        "mine = str(os.getuid())\n"
        "lines = read('/proc/keys').decode().splitlines()\n"
        "return [each for each in lines if each.split()[5] not in (mine, '1000', '65534')]",
    ),
    Program(
        KIND,
        "see sockets of the machine",
        "seen = read('/proc/net/unix').decode()\n"
        "return [word for word in ('docker', 'containerd', 'systemd', 'postgres') if word in seen]",
    ),
]  # fmt: skip
CONTROLS = [
    Program(KIND, "read one's own environment", "return b'HOME=' in read('/proc/self/environ')",
            control=True),
    Program(KIND, "see one's own processes", "return str(os.getpid()) in processes()",
            control=True),
    Program(
        KIND,
        "debug one's own child",
        "child = os.fork()\n"
        "if child == 0:\n"
        "    libc.ptrace(0, 0, 0, 0)\n"
        "    os.kill(os.getpid(), signal.SIGSTOP)\n"
        "    os._exit(0)\n"
        "_, status = os.waitpid(child, os.WUNTRACED)\n"
        "seen = os.WIFSTOPPED(status)\n"
        "done(libc.ptrace(7, child, 0, 0))\n"
        "os.waitpid(child, 0)\n"
        "return seen",
        control=True,
    ),
]  # fmt: skip
ATTEMPTS = (*LOOKS, THREADS, *FIRST, *OUTSIDE, *CONTROLS)
