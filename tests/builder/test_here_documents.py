"""Here-documents for a buildah that does not know them: what they become means the same."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from pathlib import Path

import pytest
from bindery_builder.dialect import of_version
from bindery_builder.dockerfile import Dockerfile, read
from bindery_builder.here_documents import CONTEXT
from bindery_builder.result import BuildFailed

from tests.builder import olderbuilder

HAS_BUILDKIT = platform.machine() == "x86_64"
pytestmark = pytest.mark.skipif(
    not HAS_BUILDKIT, reason="only BuildKit's parser reads here-documents"
)

OLD = of_version("buildah version 1.28.2 (image-spec 1.1.0-rc2, runtime-spec 1.0.2-dev)")


def rewritten(lines: str) -> Dockerfile:
    found = read(f"FROM a\n{lines}\nLABEL end=1\n", dialect=OLD)
    assert not found.has_here_documents
    named = [each for each in olderbuilder.images(found.text({})) if each != CONTEXT]
    assert list(dict.fromkeys(named)) == list(found.images)
    return found


def last(found: Dockerfile) -> list[str]:
    """Return the lines for buildah between FROM and the end."""
    return found.text({}).split("\n")[2:-2]


RUNS = {
    "RUN <<EOF\necho a\necho b\nEOF": "a\nb\n",
    "RUN <<-EOF\n\techo a\n\tfor x in 1 2\n\tdo echo $x; done\n\tEOF": "a\n1\n2\n",
    "RUN <<'EOF'\necho '$HOME' \\\n  b\nEOF": "$HOME b\n",
    "RUN cat <<EOF\nfrom x import y\nFROM b\n$((1 + 1))\nEOF": "from x import y\nFROM b\n2\n",
    "RUN cat <<'EOF'\n$x \\n it's 100% \\\\\nEOF": "$x \\n it's 100% \\\\\n",
    "RUN cat <<-EOF\n\ta\n\t\tb\n\tEOF": "a\nb\n",
    "RUN cat <<A && cat <<B\n1\nA\n2\nB": "1\n2\n",
    "RUN cat <<EOF | tr a-z A-Z \\\n  && echo c\na\nEOF": "A\nc\n",
    "RUN cat <<EOF\n\nü\u2028\x07\t.\n\n# no comment\nEOF": "\nü\u2028\x07\t.\n\n# no comment\n",
    "RUN <<'EOF' sh -s a\necho $1\nEOF": "a\n",
    "RUN <<EOF\n#!/usr/bin/env python3\nfrom os import sep\nprint(sep, 2)\nEOF": "/ 2\n",
    "RUN 3<<EOF cat <&3\nx\nEOF": "x\n",
    "RUN <<EOF\nEOF": "",
}


@pytest.mark.parametrize("lines", RUNS)
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_what_run_gets_does_the_same_in_one_line(lines: str, shell: str):
    (line,) = last(rewritten(lines))
    done = subprocess.run([shell, "-c", line.removeprefix("RUN ")], capture_output=True, check=True)
    assert done.stdout.decode() == RUNS[lines]


@pytest.mark.parametrize("start", ["", "#!/bin/sh\n"])
def test_the_exit_status_of_the_script_counts(start: str):
    (line,) = last(rewritten(f"RUN <<EOF\n{start}false\nexit 7\nEOF"))
    assert subprocess.run(["sh", "-c", line.removeprefix("RUN ")]).returncode == 7


def test_other_shells_of_the_same_kind_are_fine():
    for shell in ('["/bin/bash", "-eo", "pipefail", "-c"]', '["/usr/local/bin/_shell.sh"]'):
        assert last(rewritten(f"SHELL {shell}\nRUN <<E\nx\nE"))[1].startswith("RUN eval ")
    rewritten('SHELL ["pwsh", "-c"]\nFROM a\nRUN <<E\nx\nE')


def test_options_and_other_images_stay(tmp_path: Path):
    (line,) = last(rewritten("RUN --mount=type=bind,from=b,target=/b <<EOF\nls /b\nEOF"))
    assert line.startswith("RUN --mount=type=bind,from=docker.io/library/b:latest,target=/b eval ")


@pytest.mark.parametrize(
    ("lines", "text", "files"),
    [
        ("COPY <<EOF /f\nfrom x\nEOF", ["COPY --from={} 2/EOF /f"], {"2/EOF": "from x\n"}),
        ("COPY <<'E' /f\n$x\nE", ["COPY --from={} 2/E /f"], {"2/E": "$x\n"}),
        ("ADD <<-a <<b /f/\n\t1\n\t\t2\na\nb", ["COPY --from={} 2/a 2/b /f/"],
         {"2/a": "1\n2\n", "2/b": ""}),
        ("COPY --chown=1:1 --chmod=755 <<a.sh $HOME/\nx\na.sh",
         ["COPY --from={} --chown=1:1 --chmod=755 2/a.sh $HOME/"], {"2/a.sh": "x\n"}),
        ("COPY one <<E two /f/\nx\nE", ["COPY one two /f/", "COPY --from={} 2/E /f/"],
         {"2/E": "x\n"}),
        ("COPY --from=a /one <<E /f/\nx\nE",
         ["COPY --from=docker.io/library/a:latest /one /f/", "COPY --from={} 2/E /f/"],
         {"2/E": "x\n"}),
    ],
)  # fmt: skip
def test_files_of_copy_go_into_a_context_of_their_own(lines, text, files):
    found = rewritten(lines)
    assert last(found) == [each.format(CONTEXT) for each in text]
    assert found.files == files


@pytest.mark.parametrize(
    "lines",
    [
        "COPY <<E /f\n$x\nE",
        'COPY <<"A B" /f\nx\nA B',
        "COPY <<../x /f\nx\n../x",
        "COPY <<.. /f\nx\n..",
        f"RUN <<E\n{'a' * 50_000}\n{'b' * 60_000}\nE",
        "RUN <<E\nx",
        'SHELL ["pwsh", "-c"]\nRUN <<E\nx\nE',
        'SHELL ["/usr/bin/python3", "-c"]\nRUN <<E\nx\nE',
    ],
)
def test_what_cannot_mean_the_same_is_refused_with_a_sentence(lines: str):
    with pytest.raises(BuildFailed) as failed:
        rewritten(lines)
    assert failed.value.code == "build.dockerfile"


def test_variables_in_a_copied_file_are_refused_with_a_way_out():
    with pytest.raises(BuildFailed, match=r"quote its name \(<<'EOF'\)"):
        rewritten("COPY <<EOF /f\n$x\nEOF")


@pytest.mark.servers
@pytest.mark.skipif(os.geteuid() != 0, reason="buildah needs uid 0, as it has in its pod")
def test_buildah_copies_the_files(tmp_path: Path):
    found = read(
        "FROM scratch\nCOPY --chmod=700 <<run.sh <<'b' /x/\n#!/bin/sh\nrun.sh\n$HOME\nb\n",
        dialect=OLD,
    )
    for path, content in found.files.items():
        (tmp_path / "documents" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "documents" / path).write_text(content)
    (tmp_path / "Dockerfile").write_text(found.text({}))
    (tmp_path / "empty").mkdir()
    buildah = ["buildah", "--root", f"{tmp_path}/root", "--runroot", f"{tmp_path}/run",
               "--storage-driver", "vfs"]  # fmt: skip
    context = f"{CONTEXT}={tmp_path}/documents"
    words = ["build", "--pull=never", "--isolation", "chroot", "--build-context", context]
    words += ["--tag", "made", "--file", f"{tmp_path}/Dockerfile", "--", f"{tmp_path}/empty"]
    subprocess.run([*buildah, *words], check=True, capture_output=True)
    subprocess.run([*buildah, "push", "made", f"dir:{tmp_path}/image"], check=True)
    manifest = json.loads((tmp_path / "image/manifest.json").read_text())
    layer = tmp_path / "image" / manifest["layers"][-1]["digest"].partition(":")[2]
    subprocess.run(["tar", "-xf", layer, "-C", tmp_path / "empty"], check=True)
    assert (tmp_path / "empty/x/run.sh").read_text() == "#!/bin/sh\n"
    assert (tmp_path / "empty/x/run.sh").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "empty/x/b").read_text() == "$HOME\n"
