"""Developer's commands; needs Python 3.11 or later with pip, nothing else.

    python3 scripts/dev.py demo    set up and run text-driven EQ on examples/
    python3 scripts/dev.py test    set up and pass the tests
    python3 scripts/dev.py lint    ruff, mypy, import-linter
    python3 scripts/dev.py wheels  build the four wheels into dist/

The environment is ``.venv`` in this folder, or ``TCLIP_VENV``. uv is used where it is installed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = Path(os.environ.get("TCLIP_VENV", ROOT / ".venv"))
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PACKAGES = ("core", "eq", "vis", "train")
USE = ("core", "eq")


def run(*command: object, **environment: str) -> None:
    """Run a command in the root folder, shown first; end with its exit code if it fails."""
    print("$", *command, flush=True)
    result = subprocess.run([str(c) for c in command], cwd=ROOT, env={**os.environ, **environment})
    if result.returncode:
        sys.exit(result.returncode)


def pip_install(*what: object) -> None:
    uv = shutil.which("uv")
    python = BIN / "python"
    if uv and subprocess.run([uv, "--version"], capture_output=True).returncode == 0:
        run(uv, "pip", "install", "--quiet", "--python", python, *what)
    else:
        run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *what)


def set_up(packages: tuple[str, ...], tools: tuple[str, ...] = ()) -> None:
    """Make the environment and install packages from the source tree; quick the second time."""
    if not (BIN / "python").exists() and not (BIN / "python.exe").exists():
        print(f"Making the environment {VENV}", flush=True)
        venv.create(VENV, with_pip=True)
    wanted = [a for p in packages for a in ("-e", f"packages/timbreclip-{p}{extras(p, tools)}")]
    stamp = VENV / f"installed-{'-'.join(packages)}{'-tools' if tools else ''}"
    state = fingerprint(wanted, tools)
    if not stamp.exists() or stamp.read_text() != state:
        pip_install(*wanted, *tools)
        stamp.write_text(state)


def extras(package: str, tools: tuple[str, ...]) -> str:
    """The tests also exercise the optional parts that install quickly."""
    optional = {
        "core": "[clip,clap,openvino,parquet]",
        "vis": "[diffusers]",
        "train": "[augmentations,minilm,tensorboard]",
    }
    return optional.get(package, "") if tools else ""


def fingerprint(wanted: list[str], tools: tuple[str, ...]) -> str:
    texts = [p.read_text() for p in sorted(ROOT.glob("packages/*/pyproject.toml"))]
    return hashlib.sha256("\n".join([*wanted, *tools, *texts]).encode()).hexdigest()


def dev_tools() -> tuple[str, ...]:
    import tomllib

    content = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return tuple(content["dependency-groups"]["dev"])


def demo() -> None:
    set_up(USE)
    (ROOT / "out").mkdir(exist_ok=True)
    tclip = BIN / "tclip"
    for word in ("bright", "dark"):
        run(tclip, "eq", "examples/pluck.wav", "-p", word, "-o", f"out/pluck-{word}.wav")
    print("Listen to out/*.wav and look at the pictures beside them.")


def test() -> None:
    set_up(PACKAGES, dev_tools())
    # One thread a process: the suite runs as many processes as there are cores.
    run(
        BIN / "python",
        "-m",
        "pytest",
        "-n",
        "auto",
        "--dist",
        "loadfile",
        *sys.argv[2:],
        OMP_NUM_THREADS="1",
    )


def lint() -> None:
    set_up(PACKAGES, dev_tools())
    run(BIN / "ruff", "check", ".")
    run(BIN / "ruff", "format", "--check", ".")
    run(BIN / "mypy", *(f"packages/timbreclip-{p}/src" for p in PACKAGES), "benchmarks", "scripts")
    run(BIN / "lint-imports")


def wheels() -> None:
    set_up(PACKAGES, dev_tools())
    for package in PACKAGES:
        source = ROOT / "packages" / f"timbreclip-{package}"
        run(BIN / "python", "-m", "build", "--wheel", "--no-isolation", "-o", ROOT / "dist", source)


COMMANDS = {"demo": demo, "test": test, "lint": lint, "wheels": wheels}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        sys.exit(__doc__)
    COMMANDS[sys.argv[1]]()
