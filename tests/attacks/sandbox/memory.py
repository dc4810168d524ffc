"""Memory that no limit of a process counts: it must be counted, be small, or be unavailable.

Memory that is reserved but never written takes none of the machine's, so these attempts measure how
much a sandbox is promised.
"""

from __future__ import annotations

from tests.attacks.attempt import ON_ONE_MACHINE
from tests.attacks.programs import NOTEBOOK, Program

KIND = "memory"
SEGMENTS = """
size, made = {size}, []
try:
    while len(made) * size < {most}:
        made.append(done(libc.shmget(0, ctypes.c_size_t(size), 0o1600)))
except OSError:
    pass
for segment in made:
    libc.shmctl(segment, 0, 0)
held = len(made) * size
return f'{{held / 1e6:.0f}} MB' if held > {allowed} else None
"""
INODES = """
there = os.statvfs({folder!r})
free = there.f_favail
return f'{{free}} files' if free > {allowed} else None
"""
ATTEMPTS = (
    Program(
        KIND,
        "hold two gigabytes in large segments of System V",
        SEGMENTS.format(size=64 * 2**20, most=2 * 2**30, allowed=512e6),
        backends=ON_ONE_MACHINE,
    ),
    Program(
        KIND,
        "hold memory in many small segments of System V",
        SEGMENTS.format(size=2**20, most=1200 * 2**20, allowed=512e6),
        backends=ON_ONE_MACHINE,
    ),
    Program(
        KIND,
        "hold memory in one segment of System V of eight gigabytes",
        "segment = done(libc.shmget(0, ctypes.c_size_t(8 * 2**30), 0o1600))\n"
        "libc.shmctl(segment, 0, 0)\nreturn segment + 1",
        backends=ON_ONE_MACHINE,
    ),
    Program(
        KIND,
        "hold the kernel's memory in messages of System V",
        "queues, text = [], ctypes.create_string_buffer(8200)\n"
        "text[0] = 1\n"
        "def fill(_):\n"
        "    queue = done(libc.msgget(0, 0o1600))\n"
        "    queues.append(queue)\n"
        "    return [done(libc.msgsnd(queue, text, 8000, 0o4000)) for _ in range(2)]\n"
        "made, _ = counted(fill, 8000)\n"
        "for queue in queues:\n    libc.msgctl(queue, 0, 0)\n"
        "return f'{made} queues, {made * 16 // 1000} MB' if made > 4000 else None",
        backends=ON_ONE_MACHINE,
        severity="weak",
    ),
    Program(
        KIND,
        "hold the kernel's memory in semaphores",
        "made, last = counted(lambda _: done(libc.semget(0, 32000, 0o1600)), 2000)\n"
        "for number in range(made * 2):\n    libc.semctl(number, 0, 0)\n"
        "return f'{made} sets of 32,000' if made > 1000 else None",
        backends=ON_ONE_MACHINE,
        severity="weak",
    ),
    Program(
        KIND,
        "hold memory in messages of netlink from one socket to the other",
        "kept, sent = [], 0\n"
        "while sent < 512e6 and len(kept) < 3000:\n"
        "    receiver, sender = (socket.socket(16, socket.SOCK_RAW, 2) for _ in range(2))\n"
        "    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**30)\n"
        "    receiver.bind((0, 0))\n"
        "    sender.setblocking(False)\n"
        "    kept.append(receiver)\n"
        "    try:\n"
        "        while sent < 512e6:\n"
        "            sent += sender.sendto(bytes(100_000), receiver.getsockname())\n"
        "    except BlockingIOError:\n"
        "        pass\n"
        "return f'{sent / 1e6:.0f} MB'",
        backends=ON_ONE_MACHINE,
    ),
    *(
        Program(
            KIND,
            f"make a million files in {folder}, in memory",
            INODES.format(folder=folder, allowed=1_000_000),
            backends=ON_ONE_MACHINE,
            places=places,
        )
        for folder, places in (
            ("/dev/shm", frozenset({NOTEBOOK, "build"})),
            ("/run", frozenset({NOTEBOOK, "build"})),
            ("/tmp", frozenset({NOTEBOOK})),
        )
    ),
    Program(
        KIND,
        "hold the kernel's memory in pipes",
        "import fcntl\n"
        "kept = []\n"
        "def pipe(_):\n"
        "    ours, theirs = os.pipe()\n"
        "    kept.append(fcntl.fcntl(theirs, 1031, 2**20))\n"
        "made, why = counted(pipe, 4000)\n"
        "return f'{sum(kept) / 1e9:.1f} GB' if sum(kept) > 1e9 else None",
        backends=ON_ONE_MACHINE,
        severity="weak",
    ),
    Program(
        KIND,
        "queue messages of POSIX without an end",
        "mq = ctypes.CDLL('librt.so.1', use_errno=True)\n"
        "attributes = (ctypes.c_long * 8)(0, 10, 8192, 0)\n"
        "names = []\n"
        "def queue(number):\n"
        "    name = f'/attack-{os.getpid()}-{number}'.encode()\n"
        "    done(mq.mq_open(name, 0o102, 0o600, attributes))\n"
        "    names.append(name)\n"
        "made, why = counted(queue, 500)\n"
        "for name in names:\n    mq.mq_unlink(name)\n"
        "return f'{made} queues' if made > 300 else None",
        severity="weak",
    ),
    Program(KIND, "have more memory in one process than the sandbox may",
            "size = 64 * 2**30\nreturn len(bytearray(size))", seconds=20, backends=ON_ONE_MACHINE),
    Program(KIND, "have huge pages", "import mmap\n"
            "return len(mmap.mmap(-1, 2**21, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS"
            " | 0x40000))", severity="weak"),
    Program(
        KIND,
        "have a small segment of System V, as PostgreSQL needs",
        "segment = done(libc.shmget(0, ctypes.c_size_t(56), 0o1600))\n"
        "libc.shmctl(segment, 0, 0)\nreturn True",
        control=True,
    ),
    Program(KIND, "have ten megabytes", "return len(bytearray(10_000_000))", control=True),
)  # fmt: skip
