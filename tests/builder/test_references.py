"""Image names, as the programs that pull them resolve them."""

from __future__ import annotations

import pytest
from bindery_builder import bases, references, registries
from bindery_builder.buildspec import BuildSpec
from bindery_builder.result import BuildFailed

DIGEST = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("debian", "docker.io/library/debian:latest"),
        ("debian:12", "docker.io/library/debian:12"),
        ("docker:dind", "docker.io/library/docker:dind"),
        ("ada/x", "docker.io/ada/x:latest"),
        ("docker.io/debian", "docker.io/library/debian:latest"),
        ("index.docker.io/ada/x", "docker.io/ada/x:latest"),
        ("Docker.IO/library/debian", "docker.io/library/debian:latest"),
        ("r.example:5000/a/b-c__d:V1", "r.example:5000/a/b-c__d:V1"),
        ("R.Example/a", "r.example/a:latest"),
        ("localhost:5000/a", "localhost:5000/a:latest"),
        (f"debian@{DIGEST}", f"docker.io/library/debian@{DIGEST}"),
        (f"debian:12@{DIGEST}", f"docker.io/library/debian@{DIGEST}"),
        (f"r.example/a@sha512:{'f' * 128}", f"r.example/a@sha512:{'f' * 128}"),
    ],
)
def test_a_short_name_is_expanded(name: str, full: str):
    assert references.resolve(name) == full
    assert references.resolve(full) == full


@pytest.mark.parametrize(
    "name",
    [
        "", " ", "-x", "a b", "a\n", "A", "../x", "debian:", "debian@", "$A", "a//b", "a/", "/a",
        "oci:x", "oci:/etc", "dir:/run", "docker://debian", "docker:/x", "docker-archive:x.tar",
        "docker-daemon:x:y", "containers-storage:x", "containers-storage:[overlay@/x]y",
        "oci-archive:x", "ostree:x", "sif:x", "tarball:x", "atomic:x", "https://r.example/x",
        "0" * 64, DIGEST, "sha256:abc", "localhost/x", "LOCALHOST/x", "r.example./x", ".r/x",
        "r_x.example/x", "r.example:05000/x", "r.example:x/y", "[::1]:5000/x", "user@r.example/x",
        "r.example/X", "r.example/a/../b", "r.example/a%2fb", "r.example\\a", "r.example/a:b:c",
        f"r.example/a@{DIGEST}0", "r.example/a@md5:00", "r.example/é", "r．example/a", "a" * 300,
    ],
)  # fmt: skip
def test_an_invalid_image_name_is_refused(name: str):
    with pytest.raises(ValueError, match="it "):
        references.resolve(name)


def spec(prefix: str) -> BuildSpec:
    return BuildSpec(
        url="", commit="", image="", own_prefix=prefix, python_image="r:5000/own/base:1"
    )


SOMEBODYS = [
    ("r:5000/own/", "r:5000/own/ada:1"),
    ("r:5000/own/", "R:5000/own/ada"),
    ("r:5000/own/", f"r:5000/own/ada@{DIGEST}"),
    ("r:5000/own/", "r:5000/own/cache-0123:step-001"),
    ("r:5000/own/", "r:5000/own/base:2"),
    ("r.example/own/", "r.example:443/own/ada"),
    ("r.example:443/own/", "r.example/own/ada"),
    ("r.example:80/own/", "r.example/own/ada"),
    ("r.example/", "r.example/ada"),
    ("10.0.0.5:5000/own/", "10.5:5000/own/ada"),
    ("10.0.0.5:5000/own/", "167772165:5000/own/ada"),
    ("10.0.0.5:5000/own/", "0x0a.0.0.5:5000/own/ada"),
    ("10.0.0.5:5000/own/", "012.0.0.5:5000/own/ada"),
    ("docker.io/own/", "own/ada"),
    ("own/", "index.docker.io/own/ada"),
    ("docker.io/own/", "registry-1.docker.io/own/ada"),
]


@pytest.mark.parametrize(("prefix", "name"), SOMEBODYS)
def test_an_image_built_for_another_person_is_refused(prefix: str, name: str):
    with pytest.raises(BuildFailed) as failed:
        bases.check_base_image(references.resolve(name), spec(prefix))
    assert failed.value.code == "build.base-image"
    assert "built for someone" in failed.value.message


@pytest.mark.parametrize(
    "name",
    ["debian", "r:5000/other/x", "r:5000/own/base:1", "own/ada", "r:5000/owner/x", "r:5001/own/x"],
)  # fmt: skip
def test_any_other_image_is_accepted(name: str):
    bases.check_base_image(references.resolve(name), spec("r:5000/own/"))


@pytest.mark.parametrize(
    "name",
    [
        "localhost:5000/foo", "127.0.0.1:5000/foo", "127.1:80/foo", "0.0.0.0:5000/a/b", "0:5000/a",
        "0x7f.1:5000/a", "registry.localhost/foo", "host.docker.internal:5000/foo",
    ],
)  # fmt: skip
def test_an_image_on_somebodys_own_computer_is_refused_before_anything_is_pulled(name: str):
    with pytest.raises(BuildFailed) as failed:
        bases.check_base_image(references.resolve(name), spec("r:5000/own/"))
    assert failed.value.code == "build.base-image"
    assert "somebody's own computer" in failed.value.message


def test_a_registry_that_the_operator_has_set_up_may_be_on_the_same_machine():
    near = BuildSpec("", "", "", own_prefix="localhost:5000/own/", insecure=("127.0.0.1:5001",))
    for name in ("localhost:5000/base", "127.0.0.1:5001/base"):
        bases.check_base_image(references.resolve(name), near)


@pytest.mark.parametrize("name", ["debian", "dir:/run", "R:5000/x:1", ""])
def test_an_unresolved_image_name_is_refused(name: str):
    with pytest.raises(BuildFailed):
        bases.check_base_image(name, spec(""))


def settings(spec: BuildSpec, **how: bool) -> str:
    with open(registries.buildah_environment(spec, **how)["CONTAINERS_REGISTRIES_CONF"]) as file:
        return file.read()


def test_the_registry_configuration_blocks_the_portals_own_path():
    plain = BuildSpec(url="", commit="", image="", own_prefix="r:5000/own/", insecure=("r:5000",))
    assert 'location = "r:5000/own"\nblocked = true' in settings(plain)
    assert 'location = "r:5000"\ninsecure = true' in settings(plain)
    assert "blocked" not in settings(plain, closed=False)
    secure = BuildSpec(url="", commit="", image="", own_prefix="r.example/own/")
    for place in ("r.example/own", "r.example:443/own", "r.example:80/own"):
        assert f'location = "{place}"\nblocked = true' in settings(secure)
    whole = BuildSpec(url="", commit="", image="", own_prefix="r:5000/", insecure=("r:5000",))
    assert settings(whole).count("[[registry]]") == 1
