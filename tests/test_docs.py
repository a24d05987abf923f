"""The docs say what there is."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from timbreclip_core.plugins import plugin_manager

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]


def test_every_hook_is_documented():
    manager = plugin_manager()
    hooks = {name for name in vars(manager._pm.hook) if name.startswith("tclip_")}
    documented = set(re.findall(r"`(tclip_\w+)\(", (ROOT / "docs" / "plugins.md").read_text()))
    assert hooks == documented - {"tclip_addhooks"}


def test_the_page_of_commands_is_up_to_date():
    code = (
        "import sys; sys.path.insert(0, 'scripts'); import cli_docs; "
        "sys.stdout.write(cli_docs.text())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (ROOT / "docs" / "cli.md").read_text(), "run python scripts/cli_docs.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_inside_the_docs_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_every_dependency_is_on_its_page():
    told = (ROOT / "docs" / "dependencies.md").read_text("utf-8").lower()
    projects = [tomllib.loads(p.read_text("utf-8")) for p in ROOT.glob("packages/*/pyproject.toml")]
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]["dev"]
    lists = [tools, *(p["project"]["dependencies"] for p in projects)]
    for project in projects:
        lists += project["project"].get("optional-dependencies", {}).values()
    names = {re.split(r"[^\w-]", line)[0].lower() for lines in lists for line in lines}
    assert len(names) > 20
    others = {name for name in names if not name.startswith("timbreclip-")}
    assert not [name for name in others if f"{name} " not in told]


def test_every_axis_of_the_glyph_is_on_its_page():
    page = (ROOT / "docs" / "vis.md").read_text("utf-8")
    data = ROOT / "packages/timbreclip-vis/src/timbreclip_vis/data/glyph_axes.toml"
    for name, axis in tomllib.loads(data.read_text("utf-8")).items():
        words = (", ".join(axis[end]) for end in ("less", "more"))
        assert f"| {' | '.join((name, *words, axis['drawn']))} |" in page
