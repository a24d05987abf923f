"""Wheels of the four packages, and environments that have only what was installed into them."""

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def _build_wheel(source: Path, folder: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)


@pytest.fixture(scope="session")
def wheels(tmp_path_factory) -> Path:
    """A folder with the wheels of the four packages and of the example plugins."""
    folder = tmp_path_factory.mktemp("wheels")
    plugins = (p.parent for p in (ROOT / "docs" / "plugins").glob("*/pyproject.toml"))
    for source in [*(ROOT / "packages").iterdir(), *plugins]:
        _build_wheel(source, folder)
    return folder


@pytest.fixture
def build_wheel() -> Callable[[Path, Path], None]:
    """Builds the wheel of a source folder into another folder."""
    return _build_wheel


@pytest.fixture(scope="session")
def libraries(tmp_path_factory) -> Path:
    """Links to every installed library but ours: a site that a new environment can stand on."""
    folder = tmp_path_factory.mktemp("libraries")
    for item in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if not item.name.startswith(("timbreclip", "_editable", "__editable__")):
            (folder / item.name).symlink_to(item)
    return folder


class Environment:
    """A virtual environment with the libraries and what is installed from the wheel folder."""

    def __init__(self, folder: Path, libraries: Path, wheels: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.bin = folder / "bin"
        self.wheels = wheels
        (next(folder.glob("lib/*/site-packages")) / "libraries.pth").write_text(f"{libraries}\n")
        self.cwd = folder

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "TCLIP"))}
        return subprocess.run(
            [str(self.bin / command[0]), *command[1:]],
            capture_output=True,
            text=True,
            cwd=self.cwd,
            env={**clean, **environment},
            check=False,
        )

    def install(self, *what: str) -> None:
        """From the wheel folder alone, dependencies resolved by pip."""
        options = ("--no-index", "--find-links", str(self.wheels), "--quiet")
        done = self._pip("install", *options, *what)
        assert done.returncode == 0, done.stderr

    def _pip(self, *arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "pip", "--python", str(self.bin / "python"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def environment(tmp_path, libraries, wheels) -> Environment:
    return Environment(tmp_path / "env", libraries, wheels)
