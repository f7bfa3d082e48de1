#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What is released: the sdist of the commit, and a wheel for every CPython found.

Each wheel is built from the sdist, offline, with the build requirements present.
auditwheel gives it its manylinux tag and is then asked for it again; the wheel goes
into a fresh environment, and a part of the tests runs there. All lands in dist/.

usage: wheels.py sdist      the sdist alone
       wheels.py wheels [3.13t …]   the sdist and the wheels (of these versions);
                            last line: "N passed, N failed"
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "conformance"))

from interpreters import (  # noqa: E402
    Interpreter,
    clean_environment,
    usable,
)
from run_conformance import environment, run  # noqa: E402

DIST = ROOT / "dist"
BUILD = ROOT / "build" / "wheels"
REQUIREMENTS = ROOT / "requirements" / "wheels.txt"
SMOKE = (
    *("test_package.py", "test_selftest.py", "test_startup_env.py", "test_answers.py"),
    *("test_files_dump.py", "test_cli_report.py", "test_lines.py"),
)


def with_python(python: Path) -> dict[str, str]:
    """An environment in which the tools beside this Python come first."""
    env = clean_environment()
    return env | {"PATH": f"{python.parent}:{env['PATH']}"}


def fresh(python: Path, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    run(python, "-m", "venv", folder, env=clean_environment())
    return folder / "bin" / "python"


def pip(python: Path, *words: object) -> None:
    quiet = ("-q", "--disable-pip-version-check", "--no-input")
    run(python, "-m", "pip", words[0], *quiet, *words[1:], env=with_python(python))


# -- the sdist ------------------------------------------------------------------------


def sdist(builder: Path) -> Path:
    """The sdist of the commit that is checked out, in dist/."""
    shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir()
    call = "import mesonpy, sys; mesonpy.build_sdist(sys.argv[1])"
    run(builder, "-c", call, DIST, cwd=ROOT, env=with_python(builder))
    (made,) = DIST.glob("*.tar.gz")
    changed = subprocess.run(
        ["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True
    ).stdout.splitlines()
    with tarfile.open(made) as tar:
        files = sum(member.isfile() for member in tar)
    print(f"{made.name}: {files} files, {made.stat().st_size} bytes")
    if changed:
        print(
            f"    of the commit: {len(changed)} files that differ from it do not count"
        )
    sys.stdout.flush()
    return made


# -- the wheels -----------------------------------------------------------------------


def built(builder: Path, source: Path, folder: Path) -> Path:
    """A wheel from the sdist, without the index."""
    shutil.rmtree(folder, ignore_errors=True)
    offline = ("--no-index", "--no-deps", "--no-build-isolation")
    pip(builder, "wheel", *offline, "-w", folder, source)
    (wheel,) = folder.glob("*.whl")
    return wheel


def audited(auditor: Path, wheel: Path) -> tuple[Path, str]:
    """(the wheel with its manylinux tag, in dist/; the tag that auditwheel confirms)"""
    before = set(DIST.glob("*.whl"))
    env = with_python(auditor)
    run(auditor, "-m", "auditwheel", "repair", "-w", DIST, wheel, env=env)
    (repaired,) = set(DIST.glob("*.whl")) - before
    shown = run(auditor, "-m", "auditwheel", "show", repaired, env=env).stdout
    told = " ".join(shown.split())  # it breaks its lines by the length of the name
    tag = re.search(r'is consistent with the following platform tag: "([^"]+)"', told)
    if not tag or tag.group(1) not in repaired.name:
        raise SystemExit(f"auditwheel does not confirm {repaired.name}:\n{shown}")
    return repaired, tag.group(1)


def contents(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()  # auditwheel puts folders in
    return {n for n in names if ".dist-info/" not in n and not n.endswith("/")}


def smoke(python: Path, wheel: Path) -> tuple[int, int]:
    """(passed, failed) of the tests' part that runs on the installed wheel."""
    pip(python, "install", "--no-index", "--no-deps", wheel)
    pytest = re.findall(r"^pytest==.*$", REQUIREMENTS.read_text(), re.M)
    pip(python, "install", *pytest)
    tests = [ROOT / "tests" / "py" / name for name in SMOKE]
    done = subprocess.run(
        [python, "-P", "-m", "pytest", *tests],
        cwd=ROOT,
        env=with_python(python),
        capture_output=True,
        text=True,
    )
    counts = {
        w: int(n) for n, w in re.findall(r"(\d+) (passed|failed|error)", done.stdout)
    }
    passed, failed = counts.get("passed", 0), counts.get("failed", 0)
    if done.returncode:
        print(done.stdout[-4000:], done.stderr[-1000:])
        failed = max(failed, 1)
    return passed, failed


def released(interpreter: Interpreter, auditor: Path, source: Path) -> tuple[int, int]:
    folder = BUILD / f"{interpreter.version}{'t' * interpreter.free_threaded}"
    builder = environment(interpreter)
    plain = built(builder, source, folder / "plain")
    wheel, tag = audited(auditor, plain)
    python = fresh(interpreter.path, folder / "venv")
    passed, failed = smoke(python, wheel)
    of_tree = next((builder.parents[2] / "dist").glob("*.whl"))
    differ = contents(wheel) ^ contents(of_tree)
    if differ:
        print("the wheel from the sdist and the tree's differ in", *sorted(differ))
    failed += len(differ)
    print(f"{wheel.name}: {tag}, {passed} tests passed, {failed} failed", flush=True)
    return passed, failed


def main() -> int:
    what, only = sys.argv[1:2], sys.argv[2:]
    if what not in (["sdist"], ["wheels"]):
        sys.exit(__doc__)
    interpreters = [
        i
        for i in usable(ROOT / "tools" / "get-cpythons")[0]
        if not only or i.minor in only
    ]
    if not interpreters:
        sys.exit(f"wheels: no CPython {' or '.join(only)} here")
    source = sdist(environment(interpreters[0]))
    if sys.argv[1] == "sdist":
        return 0
    auditor = fresh(Path(sys.executable), BUILD / "auditwheel")
    pip(auditor, "install", "-r", REQUIREMENTS)
    passed = failed = 0
    for interpreter in interpreters:
        fine, not_fine = released(interpreter, auditor, source)
        passed += fine
        failed += not_fine
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
