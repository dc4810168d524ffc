"""Users, capabilities, devices, and settings of the kernel."""

from __future__ import annotations

from tests.attacks.attempt import ON_A_CLUSTER, ON_ONE_MACHINE
from tests.attacks.programs import NOTEBOOK, Program

KIND = "rights"
DEVICES = ("mem", "kmem", "port", "kmsg", "kvm", "fuse", "net/tun", "loop-control", "loop0", "vda",
           "sda", "nvme0n1", "vsock", "vhost-vsock", "vhost-net", "userfaultfd", "uinput", "btrfs-control",
           "cpu_dma_latency", "hwrng", "console")  # fmt: skip
SETTINGS = ("kernel/core_pattern", "kernel/modprobe", "kernel/hotplug", "vm/swappiness",
            "vm/drop_caches", "vm/overcommit_memory", "kernel/threads-max", "fs/suid_dumpable",
            "kernel/randomize_va_space", "fs/binfmt_misc/register")  # fmt: skip
IN_NOTEBOOKS = frozenset({NOTEBOOK})
BECOMING = {
    "become root": "os.setuid(0)",
    "become root in effect": "os.seteuid(0)",
    "become root in effect and for good": "os.setresuid(0, 0, 0)",
    "become the user of another person": "os.setuid(os.getuid() + 1)",
}
_OTHER_USER = """
{how}
return os.getuid()
"""
ATTEMPTS = (
    *(
        Program(KIND, name, _OTHER_USER.format(how=how), places=IN_NOTEBOOKS)
        for name, how in BECOMING.items()
    ),
    Program(KIND, "join the group of root", "os.setgid(0)\nreturn 'joined'", places=IN_NOTEBOOKS),
    Program(KIND, "choose one's groups", "os.setgroups([0, 6])\nreturn os.getgroups()",
            places=IN_NOTEBOOKS),
    Program(
        KIND,
        "run a program of one's own that is set to another user",
        "import subprocess\n"
        "copy = '/tmp/set-to-root'\n"
        "import shutil\n"
        "shutil.copy('/usr/bin/id', copy)\n"
        "os.chmod(copy, 0o6755)\n"
        "seen = subprocess.run([copy, '-u'], capture_output=True, text=True).stdout.strip()\n"
        "return seen == '0' and os.getuid() != 0",
        places=IN_NOTEBOOKS,
    ),
    Program(
        KIND,
        "run a program of the system that is set to root",
        "import subprocess\n"
        "tries = (['su', '-c', 'id -u'], ['sudo', '-n', 'id', '-u'], ['pkexec', 'id', '-u'])\n"
        "for words in tries:\n"
        "    try:\n"
        "        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True,\n"
        "                              text=True, timeout=5)\n"
        "    except (OSError, subprocess.TimeoutExpired):\n"
        "        continue\n"
        "    if done.stdout.strip() == '0':\n"
        "        return words",
        places=IN_NOTEBOOKS,
    ),
    Program(
        KIND,
        "hold a capability",
        "fields = dict(line.split(':\\t', 1) for line in"
        " read('/proc/self/status').decode().splitlines() if ':\\t' in line)\n"
        "names = ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb')\n"
        "return {name: fields[name] for name in names if int(fields[name], 16)}",
        places=IN_NOTEBOOKS,
    ),
    Program(KIND, "give oneself capabilities",
            "head = (ctypes.c_uint * 2)(0x20080522, 0)\n"
            "every = (ctypes.c_uint * 6)(*[0xffffffff] * 6)\n"
            "return call(126, head, every) + 1"),
    Program(KIND, "give a file capabilities",
            "open('/tmp/capable', 'w').close()\n"
            "os.setxattr('/tmp/capable', 'security.capability',"
            " bytes.fromhex('0100000200200000000000000000000000000000'))\nreturn 'given'",
            places=IN_NOTEBOOKS),
    Program(KIND, "make a device",
            "os.mknod('/tmp/disk', 0o60600, os.makedev(254, 0))\nreturn read('/tmp/disk', 512)"),
    Program(KIND, "make a device of memory",
            "os.mknod('/tmp/memory', 0o20600, os.makedev(1, 1))\nreturn read('/tmp/memory', 16)"),
    *(
        Program(KIND, f"open /dev/{name}",
                f"return os.open('/dev/{name}', os.O_RDONLY | os.O_NONBLOCK)")
        for name in DEVICES
    ),
    *(
        Program(KIND, f"set /proc/sys/{name}",
                f"path = '/proc/sys/{name}'\n"
                "before = read(path) if 'register' not in path and 'drop' not in path else b'0'\n"
                "file = os.open(path, os.O_WRONLY)\nos.write(file, before)\nreturn 'set'")
        for name in SETTINGS
    ),
    Program(KIND, "press the magic keys",
            "return os.open('/proc/sysrq-trigger', os.O_WRONLY)"),
    Program(KIND, "change what is mounted at /sys",
            "return os.open('/sys/kernel/uevent_helper', os.O_WRONLY)"),
    Program(KIND, "change one's own control group",
            "import glob\n"
            "paths = glob.glob('/sys/fs/cgroup/**/cgroup.procs', recursive=True)\n"
            "paths += glob.glob('/sys/fs/cgroup/**/release_agent', recursive=True)\n"
            "paths += glob.glob('/sys/fs/cgroup/**/memory.limit_in_bytes', recursive=True)\n"
            "return [path for path in paths if os.access(path, os.W_OK)][:3]"),
    Program(KIND, "raise one's own limits",
            "soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)\n"
            "room = (ctypes.c_ulong * 2)(hard + 1, hard + 1)\n"
            "return done(libc.setrlimit(resource.RLIMIT_NPROC, room)) + 1",
            backends=ON_ONE_MACHINE),
    Program(KIND, "take a better place in the queue for processors",
            "os.setpriority(os.PRIO_PROCESS, 0, -10)\nreturn 'taken'"),
    Program(KIND, "be scheduled before everybody",
            "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))\nreturn 'first'"),
    Program(KIND, "keep memory from being swapped",
            "size = 512 * 2**20\nroom = ctypes.create_string_buffer(size)\n"
            "return done(libc.mlock(room, ctypes.c_size_t(size))) + 1", severity="weak"),
    Program(KIND, "find an account's token of the cluster",
            "paths = ['/var/run/secrets/kubernetes.io', '/run/secrets/kubernetes.io',\n"
            "         '/var/run/secrets/eks.amazonaws.com', '/var/run/secrets/azure']\n"
            "return [path for path in paths if os.path.exists(path)]"),
    Program(KIND, "find the cluster's addresses in one's environment",
            "return [name for name in os.environ if name.endswith('_SERVICE_HOST')"
            " and not name.startswith('KUBERNETES_')]", backends=ON_A_CLUSTER),
    Program(KIND, "find what the cluster tells of its pods",
            "return [path for path in ('/etc/podinfo', '/etc/podlabels', '/run/podinfo')"
            " if os.path.exists(path)]", backends=ON_A_CLUSTER),
    Program(KIND, "find a credential for the registry",
            "import glob\n"
            "paths = ['/root/.docker/config.json', '/run/containers/0/auth.json',\n"
            "         os.path.expanduser('~/.docker/config.json'), '/run/bindery/pull/config.json',\n"
            "         '/run/bindery/push/config.json', *glob.glob('/run/user/*/containers/auth.json')]\n"
            "return [path for path in paths if os.path.exists(path)]"),
    Program(KIND, "find a socket of a container engine",
            "paths = ['/var/run/docker.sock', '/run/containerd/containerd.sock',\n"
            "         '/run/crio/crio.sock', '/run/podman/podman.sock']\n"
            "return [path for path in paths if os.path.exists(path)]"),
    Program(KIND, "write one's own scratch folder",
            "open('/tmp/mine', 'w').write('x')\nreturn read('/tmp/mine')", control=True),
    Program(KIND, "open /dev/null and /dev/urandom",
            "return read('/dev/urandom', 8)", control=True),
)  # fmt: skip
