"""`apt.txt`: all that apt takes as the name of a package, several on a line, and whole commands."""

from __future__ import annotations

import pytest

from sessions.repofiles.configuration.aptfile import packages

COMMAND = """\
sudo apt-get update && sudo apt-get install -y --no-install-recommends \\
    tree \\
    unp
"""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("tree # why\n\n  g++\n#x\ntree\n", ["g++", "tree"]),
        ("libc6=2.36-9+deb12u1", ["libc6=2.36-9+deb12u1"]),
        ("tree unp", ["tree", "unp"]),
        ("tree, unp\r\n", ["tree", "unp"]),
        ("- tree\n* unp", ["tree", "unp"]),
        ("tree=2.*", ["tree=2.*"]),
        ("tree:amd64", ["tree:amd64"]),
        ("libc6:i386=2.36-9", ["libc6:i386=2.36-9"]),
        ("tree/bookworm-backports", ["tree/bookworm-backports"]),
        ("Tree", ["tree"]),
        ("apt-get install -y tree", ["tree"]),
        ("apt install tree unp -y", ["tree", "unp"]),
        ("sudo apt-get -y install tree", ["tree"]),
        (COMMAND, ["tree", "unp"]),
        ("apt-get update", []),
        ("# nothing\n", []),
        ("apt-utils", ["apt-utils"]),
    ],
)
def test_packages_are_understood_as_apt_does(text: str, found: list[str]):
    assert list(packages(text)) == found


@pytest.mark.parametrize(
    ("text", "line", "quoted"),
    [
        ("-o=x", 1, "-o=x"),
        ("tree\n$(x)", 2, "$(x)"),
        ("tree | sh", 1, "|"),
        ("a=", 1, "a="),
        ("a\\", 1, "a\\"),
        ("`x`", 1, "`x`"),
        ("tree > /etc/x", 1, ">"),
        ("apt-get remove tree", 1, "apt-get remove tree"),
        ("\n\nyum install tree_x", 3, "tree_x"),
        ("deb http://deb.debian.org/debian sid main", 1, "http://deb.debian.org/debian"),
    ],
)
def test_what_is_no_package_is_refused_with_its_line(text: str, line: int, quoted: str):
    with pytest.raises(ValueError, match=r"one package name per line") as caught:
        packages(text)
    assert str(caught.value).startswith(f"line {line} of apt.txt has “{quoted}”")
