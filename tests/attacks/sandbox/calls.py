"""System calls that programs in a sandbox have no use for. Numbers are those of x86-64."""

from __future__ import annotations

from tests.attacks.programs import Program

KIND = "system calls"
REFUSED: dict[str, str] = {
    "add a key to the kernel's keyring":
        "return call(248, b'user', b'attack', b'x', 1, -2)",
    "ask for a key of the kernel's": "return call(249, b'user', b'attack', 0, -2) + 1",
    "get the keyring of one's session": "return call(250, 0, -3, 1)",
    "join a keyring of another name": "return call(250, 1, b'attack')",
    "read the keyring of one's user": "return call(250, 11, -4, 0, 0) + 1",
    "set up io_uring": "return call(425, 1, ctypes.create_string_buffer(256))",
    "register with io_uring": "return call(427, 0, 0, 0, 0) + 1",
    "handle faults of memory oneself": "return call(323, 1)",
    "load a program into the kernel (bpf)": "return call(321, 0, (ctypes.c_int * 32)(2, 4, 4, 1), 128)",
    "watch the kernel's counters (perf)":
        "room = ctypes.create_string_buffer(128)\nroom[4] = 128\nreturn call(298, room, 0, -1, -1, 0)",
    "load a kernel": "return call(246, 0, 0, 0, 0) + 1",
    "load a kernel from a file": "return call(320, -1, -1, 0, 0, 0) + 1",
    "load a module": "return call(175, b'x', 1, b'') + 1",
    "load a module from a file": "return call(313, 0, b'', 0) + 1",
    "remove a module": "return call(176, b'attack', 0) + 1",
    "reboot": "return call(169, 0xfee1dead, 672274793, 0, 0) + 1",
    "swap to a file": "return call(167, b'/tmp/none', 0) + 1",
    "stop swapping": "return call(168, b'/none') + 1",
    "account for processes": "return call(163, b'/tmp/none') + 1",
    "set the machine's clock":
        "return call(164, 0, 0) + 1",
    "set the machine's clock by its number": "return call(227, 0, (ctypes.c_long * 2)(int(time.time()), 0)) + 1",
    "tune the machine's clock":
        "room = (ctypes.c_long * 32)(0x2000)\nreturn call(159, room) + 1",
    "name the host": "return call(170, b'attack', 6) + 1",
    "name the domain": "return call(171, b'attack', 6) + 1",
    "set quotas": "return call(179, 0x800002 << 8, b'/dev/vda', 0, 0) + 1",
    "reach ports of the hardware": "return call(172, 3) + 1",
    "reach one port of the hardware": "return call(173, 0x70, 1, 1) + 1",
    "open a file by a handle": "return call(304, -100, ctypes.create_string_buffer(32), 0)",
    "hang up a terminal": "return call(153) + 1",
    "move pages of another process": "return call(279, 1, 1, (ctypes.c_long * 1)(0), 0, 0, 0) + 1",
    "migrate another process's pages": "return call(256, 1, 8, (ctypes.c_long * 1)(1),"
        " (ctypes.c_long * 1)(1)) + 1",
    "watch all files of a file system": "return call(300, 0, 0)",
    "enter protocols of virtual machines": "return socket.socket(40, socket.SOCK_STREAM).fileno()",
    "see packets": "return socket.socket(17, socket.SOCK_RAW, 0x0300).fileno()",
    "send raw packets": "return socket.socket(2, socket.SOCK_RAW, 1).fileno()",
    "send raw packets of IPv6": "return socket.socket(10, socket.SOCK_RAW, 58).fileno()",
    "read the audit's messages":
        "sock = socket.socket(16, socket.SOCK_RAW, 9)\nsock.bind((0, 1))\nreturn sock.fileno()",
    "push input into a terminal":
        "import fcntl, pty, termios\n"
        "ours, theirs = pty.openpty()\n"
        "fcntl.ioctl(0, termios.TIOCSTI, b'x')\nreturn 'pushed'",
}  # fmt: skip
_OTHER_ENTRY = """
import mmap
code = bytes.fromhex({code!r})
room = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
room.write(code)
entry = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(room)))
result = entry()
if result < 0:
    raise OSError(-result, os.strerror(-result))
return result + 1
"""
OTHER_ENTRIES = {
    # mov eax, NUMBER; xor ebx/ecx/edx…; int 0x80; ret  (numbers are those of i386)
    "join a keyring by the entry for 32 bits (keyctl)":
        "b820010000bb0100000031c931d2cd80c3",
    "set up io_uring by the entry for 32 bits": "b8a901000031db31c9cd80c3",
    "handle faults of memory by the entry for 32 bits": "b876010000bb01000000cd80c3",
}  # fmt: skip
X32 = {
    "join a keyring by the x32 numbers": "return call(0x40000000 + 250, 1, 0)",
    "handle faults of memory by the x32 numbers": "return call(0x40000000 + 323, 1)",
}
ATTEMPTS = (
    *(Program(KIND, name, program) for name, program in REFUSED.items()),
    *(Program(KIND, name, _OTHER_ENTRY.format(code=code)) for name, code in OTHER_ENTRIES.items()),
    *(Program(KIND, name, program) for name, program in X32.items()),
    Program(
        KIND,
        "make calls that no filter looks at",
        "fields = read('/proc/self/status').decode()\n"
        "return None if 'Seccomp:\\t2' in fields else 'no filter is set'",
    ),
    Program(
        KIND,
        "gain privileges by starting a program",
        "fields = read('/proc/self/status').decode()\n"
        "return None if 'NoNewPrivs:\\t1' in fields else 'programs may gain privileges'",
    ),
    Program(KIND, "make an ordinary call", "return call(39)", control=True),
    Program(
        KIND,
        "use threads, sockets and shared memory as Python does",
        "import multiprocessing.shared_memory as shared, threading\n"
        "worker = threading.Thread(target=time.sleep, args=[0.01])\n"
        "worker.start()\nworker.join()\n"
        "room = shared.SharedMemory(create=True, size=4096)\nroom.close()\nroom.unlink()\n"
        "a, b = socket.socketpair()\na.send(b'x')\nreturn b.recv(1)",
        control=True,
    ),
)
