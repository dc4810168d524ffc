"""Files that are not the person's: reading them, changing them, and reaching them through links."""

from __future__ import annotations

from tests.attacks.attempt import ON_ONE_MACHINE
from tests.attacks.programs import BUILD, NOTEBOOK, Program

KIND = "files"
IN_NOTEBOOKS = frozenset({NOTEBOOK})
READING = ("/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/root/.ssh/id_rsa", "/root/.bash_history",
           "/var/lib/kubelet/config.yaml", "/etc/kubernetes/admin.conf", "/var/log/auth.log",
           "/run/secrets/key", "/etc/ssh/ssh_host_ed25519_key")  # fmt: skip
WRITING = ("/etc/passwd", "/etc/hosts", "/etc/ld.so.preload", "/usr/bin/python3", "/usr/lib/new",
           "/etc/ssl/certs/new.pem", "/etc/cron.d/new", "/new", "/proc/self/oom_score_adj-x")  # fmt: skip
_WRITE = """
with open({path!r}, 'ab') as file:
    return 'opened'
"""
_LINK = """
os.symlink({target!r}, '/tmp/link')
return read('/tmp/link')
"""
ATTEMPTS = (
    *(
        Program(KIND, f"read {path}", f"return read({path!r})", places=IN_NOTEBOOKS)
        for path in READING
    ),
    *(
        Program(KIND, f"write {path}", _WRITE.format(path=path), places=IN_NOTEBOOKS)
        for path in WRITING
        if not path.endswith("-x")
    ),
    Program(KIND, "find the portal's data", "return os.listdir(data)"),
    Program(KIND, "find the portal's code",
            "return [path for path in (code, code + '/manage.py') if os.path.exists(path)]"),
    Program(KIND, "find the portal's database",
            "import subprocess\n"
            "places = ['/home', '/opt', '/run', '/srv', '/tmp', '/var']\n"
            "words = ['find', *places, '-xdev', '-name', 'db.sqlite3']\n"
            "return subprocess.run(words, capture_output=True, text=True).stdout",
            seconds=30),
    Program(KIND, "find a secret of the portal in any file but one's own",
            "import subprocess\n"
            "for needle in needles:\n"
            "    words = ['grep', '-rslaF', '-D', 'skip', needle, '/run', '/home', '/etc', '/srv']\n"
            "    found = subprocess.run(words, capture_output=True, text=True).stdout\n"
            "    if found:\n        return needle[:4], found",
            seconds=60),
    Program(KIND, "see another person's folder",
            "return [name for name in os.listdir('/home') if name not in ('jovyan', own_home)]",
            places=IN_NOTEBOOKS),
    Program(KIND, "open another person's folder by its name",
            "return os.listdir('/home/carol-nfs-pvc')", places=IN_NOTEBOOKS),
    Program(KIND, "climb from one's own folder to others'",
            "seen = os.listdir(f'/home/{own_home}/..') + os.listdir(f'/home/{own_home}/../..')\n"
            "return [name for name in seen if name.startswith('carol') or name == 'homes']",
            places=IN_NOTEBOOKS),
    Program(KIND, "follow a link to the machine's passwords",
            _LINK.format(target="/proc/1/root/etc/shadow"), places=IN_NOTEBOOKS),
    Program(KIND, "link hard to a file of the system",
            "os.link('/usr/bin/env', '/tmp/env')\nreturn 'linked'", places=IN_NOTEBOOKS),
    Program(KIND, "link hard to a package of the environment",
            "import json\n"
            "os.link(json.__file__, '/tmp/linked.py')\n"
            "with open('/tmp/linked.py', 'ab') as file:\n    return 'linked and opened'",
            places=IN_NOTEBOOKS),
    Program(KIND, "change a package of an environment that others share",
            "import json\n"
            "with open(json.__file__, 'ab') as file:\n    return 'opened'",
            places=IN_NOTEBOOKS),
    Program(KIND, "change the server's own packages",
            "import sysconfig\n"
            "path = os.path.join(sysconfig.get_path('purelib'), 'attack.pth')\n"
            "with open(path, 'w') as file:\n    return 'made'",
            places=IN_NOTEBOOKS, backends=ON_ONE_MACHINE),
    Program(KIND, "change the server's configuration",
            "folder = os.environ['JUPYTER_CONFIG_PATH']\n"
            "path = next(os.path.join(folder, name) for name in os.listdir(folder)\n"
            "            if name.endswith('.py'))\n"
            "with open(path, 'ab') as file:\n    return path",
            places=IN_NOTEBOOKS),
    Program(KIND, "put a program before the portal's own tools",
            "with open('/opt/toolbox/bin/uv', 'ab') as file:\n    return 'opened'"),
    Program(KIND, "reach the packages that all builds share",
            "paths = ['/var/cache/uv', '/opt/toolbox/cache', os.path.join(data, 'cache')]\n"
            "return [path for path in paths if os.access(path, os.W_OK)]",
            places=frozenset({BUILD}), backends=ON_ONE_MACHINE),
    Program(KIND, "see another build", "return [n for n in os.listdir('/opt') if n != 'env']",
            places=frozenset({BUILD}), backends=ON_ONE_MACHINE),
    Program(KIND, "find a person's private key", "import glob\n"
            "paths = glob.glob('/run/ssh/*') + glob.glob('/run/key/*') + glob.glob('/home/*/.ssh/*')\n"
            "paths += glob.glob('/run/bindery/ssh/*') + glob.glob('/run/bindery/key/*')\n"
            "return [path for path in paths if b'PRIVATE KEY' in b''.join(readable([path]))]",
            places=frozenset({BUILD})),
    Program(KIND, "find the address or the token of a notebook",
            "return [name for name in os.environ if 'TOKEN' in name or 'PASSWORD' in name]"),
    Program(KIND, "read one's own files", "return os.listdir('/home/jovyan') is not None",
            control=True),
    Program(KIND, "have one's own key", "import glob\n"
            "return any(b'PRIVATE KEY' in each for each in"
            " readable(glob.glob('/home/jovyan/.ssh/ssh.priv')))",
            control=True, places=IN_NOTEBOOKS),
)  # fmt: skip
