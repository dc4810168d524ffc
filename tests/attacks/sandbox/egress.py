"""The way out: only the Internet may be reached, however the target's name is written."""

from __future__ import annotations

from tests.attacks.attempt import ON_ONE_MACHINE
from tests.attacks.programs import Program

KIND = "ways out"
SPELLINGS = {
    "by its number": "127.0.0.1",
    "by another number of the loopback": "127.7.7.7",
    "by a short number": "127.1",
    "by one number": "2130706433",
    "in hexadecimal": "0x7f000001",
    "in hexadecimal with dots": "0x7f.0.0.1",
    "in octal": "0177.0.0.1",
    "by its name": "localhost",
    "by its name in capitals": "LOCALHOST",
    "by its name with a dot behind it": "localhost.",
    "by its number with a dot behind it": "127.0.0.1.",
    "as nobody's address": "0.0.0.0",
    "as zero": "0",
    "by IPv6": "[::1]",
    "by all zeros of IPv6": "[::]",
    "by IPv6 around IPv4": "[::ffff:127.0.0.1]",
    "by IPv6 around IPv4 in hexadecimal": "[::ffff:7f00:1]",
    "by the old form of IPv6 around IPv4": "[::127.0.0.1]",
    "by NAT64": "[64:ff9b::7f00:1]",
    "by 6to4": "[2002:7f00:1::1]",
    "by the machine's own address": "{machine}",
    "by the machine's name": "{machine_name}",
    "by full-width digits": "１２７.0.0.1".encode().decode("latin-1"),
    "by a project's host": "{carol_host}",
}
"""Spellings of the portal's own address."""
PRIVATE = {
    "the metadata service of clouds": "169.254.169.254:80",
    "the metadata service by one number": "2852039166:80",
    "the metadata service in IPv6": "[fd00:ec2::254]:80",
    "the metadata service by its name": "metadata.google.internal:80",
    "the metadata service of Azure": "168.63.129.16:80",
    "the metadata service of containers": "169.254.170.2:80",
    "the metadata service of Alibaba": "100.100.100.200:80",
    "a private network (10)": "10.0.0.1:80",
    "a private network (172.16)": "172.16.0.1:80",
    "a private network (192.168)": "192.168.0.1:80",
    "a private network of IPv6": "[fd00::1]:80",
    "a link of IPv6": "[fe80::1]:80",
    "everybody on the link": "255.255.255.255:80",
    "many at once": "224.0.0.1:80",
    "the cluster's API": "kubernetes.default.svc:443",
}
MALFORMED = {
    "with a path behind the port": "127.0.0.1:{port}/x",
    "with a name before it": "example.org@127.0.0.1:{port}",
    "with a NUL in the name": "127.0.0.1\\0.example.org:{port}",
    "with a blank in the name": "127.0.0.1 example.org:{port}",
    "with a per cent sign": "127.0.0.1%2f.example.org:{port}",
    "with a zone": "[fe80::1%25lo]:{port}",
    "with a port past the last": "127.0.0.1:{big}",
    "with a port of zero": "127.0.0.1:0",
    "without a port": "127.0.0.1",
    "with two ports": "127.0.0.1:80:{port}",
    "with a line end": "127.0.0.1:{port}\\r\\nX: y",
}


def _filled(text: str) -> str:
    """Return the expression that puts the facts into the text."""
    return (
        f"{text!r}.replace('{{machine}}', machine).replace('{{machine_name}}', machine_name)"
        ".replace('{carol_host}', carol_host).replace('{port}', str(port))"
        ".replace('{big}', str(port + 65536))"
    ).replace("\\\\", "\\")


def _local(name: str, program: str, *, seconds: float = 10) -> Program:
    return Program(KIND, name, program, backends=ON_ONE_MACHINE, seconds=seconds)


TUNNELS = [
    *(
        _local(f"tunnel to the portal {how}", f"return tunnelled({_filled(host)} + f':{{port}}')")
        for how, host in SPELLINGS.items()
    ),
    *(
        _local(f"tunnel to {what}", f"return tunnelled({address!r})", seconds=20)
        for what, address in PRIVATE.items()
    ),
    *(
        _local(f"tunnel to an address {how}", f"return tunnelled({_filled(address)})")
        for how, address in MALFORMED.items()
    ),
]
PLAIN = [
    _local("ask the portal for a page through the proxy",
           "return fetched(f'http://127.0.0.1:{port}/health')"),
    _local("ask the portal for a page by its name", "return fetched(f'http://localhost:{port}/')"),
    _local("ask the metadata service through the proxy",
           "return fetched('http://169.254.169.254/latest/meta-data/')"),
    _local("ask the portal with a trusted host in Host",
           "return fetched(f'http://127.0.0.1:{port}/health', host=git_host)"),
    _local("ask the portal with a name and a sign before its address",
           "return fetched(f'http://{git_host}@127.0.0.1:{port}/health')"),
    _local("ask a trusted host and be led to the portal by Host",
           "answer = fetched(f'http://{git_host}/nothing', host=f'127.0.0.1:{port}')\n"
           "return answer if 'checks' in answer else None"),
    _local("send a second request behind one to a trusted host",
           "first = f'GET http://{git_host}/nothing HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'\n"
           "second = f'GET http://127.0.0.1:{port}/health HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'\n"
           "with socket.create_connection(('127.0.0.1', 3128), timeout=5) as visitor:\n"
           "    visitor.sendall((first + second).encode())\n"
           "    text = b''\n"
           "    while piece := visitor.recv(4000):\n        text += piece\n"
           "return b'checks' in text and text"),
    _local("follow a redirect of a trusted host to the portal",
           "import urllib.request\n"
           "opener = urllib.request.build_opener(\n"
           "    urllib.request.ProxyHandler({'http': 'http://127.0.0.1:3128'}))\n"
           "try:\n"
           "    return opener.open(redirecting, timeout=5).read(200)\n"
           "except urllib.error.HTTPError as error:\n"
           "    return None if error.code in (400, 403, 502) else error.code"),
    _local("ask for another protocol through the proxy",
           "return fetched('ftp://127.0.0.1/')"),
    _local("ask for a file through the proxy", "return fetched('file:///etc/shadow')"),
    _local("ask for a socket of the machine through the proxy",
           "return fetched('http+unix://%2Frun%2Fdocker.sock/info')"),
    _local("send the proxy a head without an end",
           "with socket.create_connection(('127.0.0.1', 3128), timeout=5) as visitor:\n"
           "    sent = 0\n"
           "    visitor.settimeout(2)\n"
           "    while sent < 4_000_000:\n"
           "        sent += visitor.send(b'x' * 65536)\n"
           "    visitor.settimeout(5)\n"
           "    try:\n"
           "        answer = visitor.recv(100)\n"
           "    except TimeoutError:\n"
           "        return sent"),
    _local("ask the proxy for its own port", "return tunnelled('127.0.0.1:3128')"),
    _local("speak SOCKS to the proxy",
           "return asked('127.0.0.1', 3128, '\\5\\1\\0\\r\\n\\r\\n').startswith('\\5') or None"),
]  # fmt: skip
DIRECT = [
    _local("connect to the portal without the proxy",
           "return socket.create_connection(('127.0.0.1', port), timeout=3).fileno()"),
    _local("connect to the machine's own address",
           "return socket.create_connection((machine, port), timeout=3).fileno()"),
    _local("connect to the metadata service without the proxy",
           "return socket.create_connection(('169.254.169.254', 80), timeout=3).fileno()"),
    _local("send a datagram to a name server",
           "visitor = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
           "return visitor.sendto(b'x' * 12, (machine, 53))"),
    _local("find a name server", "return [line for line in read('/etc/resolv.conf').decode()"
           ".splitlines() if line.startswith('nameserver')]"),
    _local("connect to an abstract socket of the machine",
           "visitor = socket.socket(socket.AF_UNIX)\n"
           "visitor.settimeout(3)\nvisitor.connect('\\0' + abstract)\nreturn visitor.recv(10)"),
    _local("connect to a socket in a folder of the machine",
           "visitor = socket.socket(socket.AF_UNIX)\n"
           "visitor.settimeout(3)\nvisitor.connect(unix)\nreturn visitor.recv(10)"),
    _local("give oneself an address",
           "import fcntl, struct\n"
           "probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
           "address = struct.pack('16sHH4s8x', b'lo', 2, 0, socket.inet_aton('10.9.9.9'))\n"
           "fcntl.ioctl(probe, 0x8916, address)\nreturn 'given'"),
    _local("see an interface of the machine",
           "return [name for _, name in socket.if_nameindex() if name != 'lo']"),
    _local("listen on the machine's ports",
           "listener = socket.create_server((machine, 0))\nreturn listener.getsockname()"),
]  # fmt: skip
CONTROLS = [
    _local("listen and connect on one's own loopback",
           "listener = socket.create_server(('127.0.0.1', 0))\n"
           "return socket.create_connection(listener.getsockname(), timeout=3).fileno()"),
    _local("use an abstract socket of one's own",
           "listener = socket.socket(socket.AF_UNIX)\n"
           "listener.bind('\\0attack-own')\nlistener.listen()\n"
           "visitor = socket.socket(socket.AF_UNIX)\n"
           "visitor.connect('\\0attack-own')\nreturn visitor.fileno()"),
    _local("ask a trusted host through the proxy", "return fetched(f'http://{git_host}/nothing')"),
    _local("tunnel to a trusted host", "return tunnelled(git_host)"),
]  # fmt: skip
ATTEMPTS = (
    *TUNNELS,
    *PLAIN,
    *DIRECT,
    *(Program(each.kind, each.name, each.program, backends=each.backends, control=True)
      for each in CONTROLS),
)  # fmt: skip
