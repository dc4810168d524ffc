"""The merge as a program that runs from its source text, with only Python's standard library."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from typing import Any

from sessions.repofiles import program
from tests.repofiles.folders import FIRST, SECOND, Sides, write


def run(sides: Sides, *words: str) -> tuple[int, dict[str, Any]]:
    given = [str(sides.built), str(sides.mine), str(sides.record)]
    whole = [sys.executable, "-I", "-S", "-c", program(), *words[:-1], *given, words[-1]]
    done = subprocess.run(whole, capture_output=True, text=True, env={"LC_ALL": "C"})
    return done.returncode, json.loads(done.stdout)


def test_the_program_fits_into_one_argument():
    assert len(program().encode()) < 128 * 1024


def test_the_program_runs_on_python_3_8_with_the_standard_library():
    tree = ast.parse(program(), feature_version=(3, 8))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in imports for alias in node.names if isinstance(node, ast.Import)}
    names |= {str(node.module) for node in imports if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= set(sys.stdlib_module_names)


def test_no_name_is_defined_twice():
    names: list[str] = []
    for node in ast.parse(program()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign):
            names += [
                name.id for each in node.targets for name in ast.walk(each)
                if isinstance(name, ast.Name)
            ]  # fmt: skip
    assert sorted(names) == sorted(set(names))


def test_the_program_prints_its_report(sides: Sides):
    write(sides.built, {"a": b"1", "b": b"1"})
    status, report = run(sides, FIRST)
    assert (status, report["state"], report["added"]) == (0, "filled", 2)
    assert run(sides, FIRST) == (0, {**report, "again": True})
    write(sides.mine / "a", b"mine")
    write(sides.built, {"a": b"2", "b": b"1"})
    status, report = run(sides, SECOND)
    assert report == {
        "state": "merged", "commit": SECOND, "was": FIRST, "git": "", "added": 0, "updated": 0,
        "removed": 0, "kept": 0, "conflicts": 1, "conflict_names": [["a", "a.from-2222222"]],
        "left_out": 0, "left_out_names": [],
    }  # fmt: skip


def test_a_failure_is_printed_with_code_and_message(sides: Sides):
    write(sides.built, {"a": b"1"})
    write(sides.mine, "/etc")
    status, answer = run(sides, FIRST)
    assert (status, answer["error"]["code"]) == (1, "merge.not-a-folder")
    assert answer["error"]["message"]


def test_adopt_takes_over_a_folder_without_a_record(sides: Sides):
    write(sides.built, {"a": b"1", "b": b"1", "c": b"1"})
    write(sides.mine, {"a": b"1", "b": b"mine", "own": b"mine"})
    assert run(sides, "--adopt", FIRST)[1]["state"] == "adopted"
    assert sides.has() == {"a": b"1", "b": b"mine", "own": b"mine"}
    write(sides.built, {"a": b"2", "b": b"1", "c": b"1"})
    assert run(sides, SECOND)[1]["conflicts"] == 0
    assert sides.has() == {"a": b"2", "b": b"mine", "own": b"mine"}
