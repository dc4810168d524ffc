"""Resources that can be exhausted by number: processes, threads, descriptors, watches, timers,
terminals.
"""

from __future__ import annotations

from tests.attacks.attempt import ON_ONE_MACHINE
from tests.attacks.programs import Program

KIND = "counts"
FORKS = """
children = []
def fork(_):
    child = os.fork()
    if child == 0:
        time.sleep(20)
        os._exit(0)
    children.append(child)
made, why = counted(fork, {most})
for child in children:
    os.kill(child, signal.SIGKILL)
for child in children:
    os.waitpid(child, 0)
return f'{{made}} processes' if made >= {most} else None
"""
THREADS = """
import threading
threading.stack_size(65536)
end = threading.Event()
def thread(_):
    each = threading.Thread(target=end.wait, daemon=True)
    each.start()
made, why = counted(thread, {most})
end.set()
return f'{{made}} threads' if made >= {most} else None
"""
WATCHES = """
watcher = done(libc.inotify_init1(0))
place = f'/tmp/watched-{{os.getpid()}}'
os.mkdir(place)
def watch(number):
    os.mkdir(f'{{place}}/{{number}}')
    return done(libc.inotify_add_watch(watcher, f'{{place}}/{{number}}'.encode(), 0x100))
made, why = counted(watch, {most})
import shutil
shutil.rmtree(place)
return f'{{made}} watches' if made >= {most} else None
"""
ATTEMPTS = (
    Program(KIND, "begin a thousand processes", FORKS.format(most=1000), seconds=30,
            backends=ON_ONE_MACHINE),
    Program(KIND, "begin a thousand threads", THREADS.format(most=1000), seconds=30,
            backends=ON_ONE_MACHINE),
    Program(
        KIND,
        "make as many watches of files (inotify instances) as the machine has for a user",
        "made, why = counted(lambda _: done(libc.inotify_init1(0)), 1000)\n"
        "return f'{made} instances' if made >= 1000 else None",
    ),
    Program(KIND, "open a hundred thousand files",
            "soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)\n"
            "if hard > 100_000:\n"
            "    return f'a process may open {hard}'",
            backends=ON_ONE_MACHINE),
    Program(
        KIND,
        "open files until the machine has no more",
        "soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))\n"
        "kept = []\n"
        "made, why = counted(lambda _: os.open('/dev/null', os.O_RDONLY), 70_000)\n"
        "return f'{made} descriptors in one process' if made >= 70_000 else None",
        seconds=20,
        backends=ON_ONE_MACHINE,
        severity="weak",
    ),
    Program(
        KIND,
        "make timers without an end",
        "room = ctypes.c_void_p()\n"
        "made, why = counted(lambda _: done(libc.timer_create(1, 0, ctypes.byref(room))), 200_000)\n"
        "return f'{made} timers' if made >= 200_000 else None",
        severity="weak",
    ),
    Program(
        KIND,
        "open terminals until nobody gets one",
        "kept = []\n"
        "made, why = counted(lambda _: kept.append(os.openpty()), 5000)\n"
        "return f'{made} terminals' if made >= 4000 else None",
        severity="weak",
    ),
    Program(
        KIND,
        "wait for more descriptors than the machine allows",
        "import select\n"
        "poll = select.epoll()\n"
        "made, why = counted(lambda _: poll.register(os.eventfd(0)), 70_000)\n"
        "return f'{made} descriptors' if made >= 70_000 else None",
        seconds=20,
        backends=ON_ONE_MACHINE,
        severity="weak",
    ),
    Program(
        KIND,
        "make a name longer than the file system takes",
        "open('/tmp/' + 'x' * 300, 'w').close()\nreturn 'made'",
    ),
    Program(
        KIND,
        "nest folders deeper than a path is long",
        "place = f'/tmp/deep-{os.getpid()}'\n"
        "os.mkdir(place)\nos.chdir(place)\n"
        "made, why = counted(lambda _: (os.mkdir('d' * 200), os.chdir('d' * 200)), 200)\n"
        "os.chdir('/tmp')\n"
        "import shutil\n"
        "shutil.rmtree(place, ignore_errors=True)\n"
        "return None if made else 'no folder at all could be made'",
    ),
    Program(
        KIND,
        "begin a few processes and threads",
        "child = os.fork()\n"
        "if child == 0:\n    os._exit(0)\n"
        "os.waitpid(child, 0)\n"
        "import threading\n"
        "each = threading.Thread(target=int)\neach.start()\neach.join()\nreturn child",
        control=True,
    ),
    Program(KIND, "watch a few files", WATCHES.format(most=20), control=True),
)  # fmt: skip
