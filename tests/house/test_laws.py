"""The laws of the house over the whole tree; `test_proofs` shows of each that it can fail."""

import ast
import importlib
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import poolkit
from tests.house import laws

ROOT = Path(__file__).parents[2]
SOURCES = [path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob("poolkit/**/*.py"))]
PYTHON = SOURCES + [
    path.relative_to(ROOT).as_posix()
    for room in ("tests", "benchmarks")
    for path in sorted(ROOT.glob(f"{room}/**/*.py"))
]
TWINS = [path for path in PYTHON if path.startswith("tests/reference/")]
PACKAGES = ["poolkit", *(each.name for each in pkgutil.walk_packages(poolkit.__path__, "poolkit.") if each.ispkg)]
IN_POOLKIT = [
    *(laws.layers, laws.libraries, laws.length, laws.booleans, laws.kernels, laws.missing_is_null),
    *(laws.clocks, laws.switches),
]


def broken(law: laws.Law, paths: list[str]) -> list[str]:
    return [each for path in paths for each in law(path, (ROOT / path).read_text(encoding="utf-8"))]


def hold(found: list[str]) -> None:
    assert not found, "\n".join(["broken:", *found])


@pytest.mark.parametrize("law", IN_POOLKIT, ids=lambda law: law.__name__)
def test_law_holds_in_poolkit(law: laws.Law) -> None:
    assert SOURCES
    hold(broken(law, SOURCES))


@pytest.mark.parametrize("law", [laws.names, laws.rulers], ids=lambda law: law.__name__)
def test_law_holds_everywhere(law: laws.Law) -> None:
    hold(broken(law, PYTHON))


def test_slow_twins_import_nothing_of_poolkit() -> None:
    hold(broken(laws.slow_twins, TWINS))


def test_every_package_exports_what_it_lists() -> None:
    hold([each for name in PACKAGES for each in laws.exports(importlib.import_module(name))])


def test_public_names_are_documented() -> None:
    # The version is a plain text, whose docstring is Python's.
    things = {name: getattr(poolkit, name) for name in poolkit.__all__ if name != "__version__"}
    hold([each for name, thing in things.items() for each in laws.sections(f"poolkit.{name}", thing)])


def test_type_checkers_see_the_public_names() -> None:
    stub = ast.parse((ROOT / "poolkit" / "__init__.pyi").read_text(encoding="utf-8"))
    seen = {
        (node.module, alias.name, alias.asname)
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == {(f"poolkit.{room}", name, name) for name, room in poolkit._ROOM_OF.items()}


def tracked() -> list[str]:
    """Every file that is committed or would be; all files where the tree is not a git checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        return [name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]
    hidden = {"build", "dist", "__pycache__"}
    paths = [path.relative_to(ROOT) for path in sorted(ROOT.rglob("*")) if path.is_file()]
    return [
        path.as_posix()
        for path in paths
        if not any(part in hidden or (part.startswith(".") and part != ".ci") for part in path.parts)
    ]


def test_no_file_names_a_machine() -> None:
    found = []
    for name in tracked():
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += laws.machine_text(name, text)
    hold(found)


def test_readme_python_blocks_are_doctests() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert ">>>" in text
    hold(laws.readme_blocks("README.md", text))


def loaded_by(statement: str) -> set[str]:
    script = f"{statement}\nimport json, sys\nsys.stdout.write(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True, text=True)
    return set(json.loads(done.stdout))


def test_importing_poolkit_does_no_work() -> None:
    assert not loaded_by("import poolkit") & {"numba", "llvmlite", "pandas", "scipy"}


def test_loading_is_seen() -> None:
    assert loaded_by("import numba") >= {"numba", "llvmlite"}


def test_rooms_have_one_row() -> None:
    assert sum(map(len, laws.ROOMS)) == len(laws.ROWS)
