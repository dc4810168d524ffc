"""Other people's notebooks, and the portal itself, as seen from inside a notebook."""

from __future__ import annotations

from tests.attacks.attempt import ON_ONE_MACHINE
from tests.attacks.programs import NOTEBOOK, Program

KIND = "others' notebooks"
IN_NOTEBOOKS = frozenset({NOTEBOOK})
ATTEMPTS = (
    Program(
        KIND,
        "find a server of another notebook on one's loopback",
        "lines = read('/proc/net/tcp').decode().splitlines()[1:]\n"
        "rows = [each.split() for each in lines]\n"
        "listening = {each[9]: each[1] for each in rows if each[3] == '0A'}\n"
        "import glob\n"
        "for path in glob.glob('/proc/[0-9]*/fd/*'):\n"
        "    try:\n        target = os.readlink(path)\n"
        "    except OSError:\n        continue\n"
        "    listening.pop(target[8:-1], None)\n"
        "ports = {int(each.partition(':')[2], 16) for each in listening.values()}\n"
        "return ports - {3128, 8888}",
        places=IN_NOTEBOOKS,
    ),
    Program(
        KIND,
        "see another sandbox's shared memory",
        "import glob\nreturn [name for name in glob.glob('/dev/shm/*') if 'carol' in name]",
        places=IN_NOTEBOOKS,
    ),
    Program(
        KIND,
        "see segments of shared memory that are not one's own",
        "return read('/proc/sysvipc/shm').decode().splitlines()[1:]",
        places=IN_NOTEBOOKS,
    ),
    Program(
        KIND,
        "find the portal's folders in the connections of one's own sandbox",
        "with socket.create_connection(('127.0.0.1', 3128), timeout=5) as way_out:\n"
        "    way_out.send(b'CONNECT')\n"
        "    time.sleep(0.5)\n"
        "    return [line for line in read('/proc/net/unix').decode().splitlines() if data in line]",
        places=IN_NOTEBOOKS,
        backends=ON_ONE_MACHINE,
    ),
)
