"""What holds for the four packages together."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECTS = {
    p.parent.name: tomllib.loads(p.read_text()) for p in ROOT.glob("packages/*/pyproject.toml")
}


def test_all_four_packages_share_one_version():
    versions = {p["project"]["version"] for p in PROJECTS.values()}
    workspace = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert len(PROJECTS) == 4
    assert versions == {workspace}


def test_every_path_to_torch_pins_the_line_that_works():
    pins = {"torch": "2.11.*", "torchaudio": "2.11.0", "torchvision": "0.26.*"}
    for project in PROJECTS.values():
        extras = project["project"].get("optional-dependencies", {}).values()
        for line in [*project["project"]["dependencies"], *(d for e in extras for d in e)]:
            name = re.split(r"[^\w-]", line)[0]
            if name in pins:
                assert line == f"{name}=={pins[name]}"
    core = PROJECTS["timbreclip-core"]["project"]["dependencies"]
    assert {"torch==2.11.*", "torchaudio==2.11.0"} <= set(core)


def test_siblings_depend_on_core_and_not_on_each_other():
    for name, project in PROJECTS.items():
        ours = [d for d in project["project"]["dependencies"] if d.startswith("timbreclip")]
        assert ours == ([] if name == "timbreclip-core" else ["timbreclip-core==0.1.*"])


@pytest.mark.parametrize("package", sorted(PROJECTS))
def test_every_package_is_typed_and_licensed(package):
    module = package.replace("-", "_")
    assert (ROOT / "packages" / package / "src" / module / "py.typed").exists()
    assert (ROOT / "packages" / package / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


def run_python(code, **environment):
    import os

    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def test_listing_everything_leaves_torch_alone():
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from timbreclip_core.cli.main import cli\n"
        "for args in (['--help'], ['plugins'], ['rank', '--help'], ['eq', '--help'],"
        " ['vis', '--help'], ['train', '--help'], ['data', '--help'], ['models']):\n"
        "    result = CliRunner().invoke(cli, args)\n"
        "    assert result.exit_code == 0, (args, result.output)\n"
        "heavy = ('torch', 'numpy', 'matplotlib', 'soundfile')\n"
        "print([m for m in heavy if m in sys.modules])\n"
    )
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_importing_the_packages_leaves_torch_alone():
    code = (
        "import sys, timbreclip_core, timbreclip_eq, timbreclip_vis, timbreclip_train\n"
        "from timbreclip_eq import EQEntry\n"
        "print('torch' in sys.modules)"
    )
    assert run_python(code).stdout.strip() == "False"


def test_nothing_in_the_tree_names_this_or_that_machine():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert "uv.lock" not in listed
