"""The packages as users get them: wheels, in an environment without the source tree."""

import json
import zipfile

import pytest

MEGABYTE = 1_000_000


def wheel(folder, name):
    return next(folder.glob(f"{name}-*.whl"))


def test_core_alone_works_and_says_what_else_there_is(environment):
    environment.install("timbreclip-core")
    assert environment.run("tclip", "--help").returncode == 0
    missing = environment.run("tclip", "eq", "x.wav")
    assert missing.returncode == 1
    assert "pip install 'timbreclip-core[eq]'" in missing.stderr
    assert "pip install 'timbreclip-core[train]'" in environment.run("tclip", "data").stderr
    assert environment.run("tclip", "nonsense").returncode == 2


@pytest.mark.parametrize("extra", ["eq", "vis", "train"])
def test_an_extra_brings_its_package_and_its_command(environment, extra):
    environment.install(f"timbreclip-core[{extra}]")
    assert environment.run("tclip", extra, "--help").returncode == 0
    listed = json.loads(environment.run("tclip", "plugins", "--json").stdout)["plugins"]
    found = {p["distribution"]: p for p in listed}
    assert set(found) == {"timbreclip-core", f"timbreclip-{extra}"}
    assert found[f"timbreclip-{extra}"]["error"] is None


def test_a_sibling_alone_brings_core(environment):
    environment.install("timbreclip-eq")
    assert environment.run("tclip", "eq", "--help").returncode == 0


def test_the_bundled_model_is_in_the_core_wheel_and_loads(environment, wheels):
    assert wheel(wheels, "timbreclip_core").stat().st_size < 48 * MEGABYTE
    environment.install("timbreclip-core")
    code = (
        "from timbreclip_core import load_model\n"
        "model = load_model('small')\n"
        "print(tuple(model.embed_text(['a warm pad']).shape))"
    )
    done = environment.run("python", "-c", code)
    assert done.stdout.strip() == "(1, 512)", done.stderr


def test_wheels_hold_no_tests_and_no_caches(wheels):
    for path in wheels.glob("timbreclip_*.whl"):
        names = zipfile.ZipFile(path).namelist()
        assert not [n for n in names if "tests/" in n or "__pycache__" in n]


def test_a_third_party_plugin_is_found_used_and_limited(environment):
    environment.install("timbreclip-core[eq]", "timbreclip-treble")
    listed = json.loads(environment.run("tclip", "plugins", "--json").stdout)["plugins"]
    treble = next(p for p in listed if p["distribution"] == "timbreclip-treble")
    assert treble["hooks"] == ["tclip_eqs"]
    assert treble["error"] is None
    assert "treble" in str(treble["entries"])
    without = environment.run("tclip", "plugins", "--json", TCLIP_PLUGINS="")
    assert "timbreclip-treble" not in without.stdout
    assert "timbreclip-eq" in without.stdout
    kept = environment.run("tclip", "plugins", "--json", TCLIP_PLUGINS="timbreclip-treble")
    assert "timbreclip-treble" in kept.stdout


def test_a_plugin_whose_sibling_is_missing_is_switched_off_with_its_name(environment):
    environment.install("--no-deps", "timbreclip-core", "timbreclip-treble")
    done = environment.run("tclip", "--help")
    assert done.returncode == 0
    assert "timbreclip-treble is switched off" in done.stderr


PLUGIN = """
[project]
name = "{name}"
version = "0.1"
[project.entry-points.timbreclip]
{module} = "{module}"
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[tool.hatch.build.targets.wheel]
include = ["{module}.py"]
"""
SAME_NAME = """
from timbreclip_core import EncoderEntry, hookimpl
from timbreclip_core.plugins import Weights

@hookimpl
def tclip_encoders():
    yield EncoderEntry(name="small", summary="an impostor", load=dict, space="small",
                       sample_rate=1, weights=Weights(licence="", size_mb=0, source=""))
"""


def write_plugin(folder, name, code):
    module = name.replace("-", "_")
    folder.mkdir()
    (folder / "pyproject.toml").write_text(PLUGIN.format(name=name, module=module))
    (folder / f"{module}.py").write_text(code)
    return folder


def test_broken_misspelt_and_clashing_plugins_are_named_and_the_rest_works(
    environment, build_wheel, tmp_path
):
    misspelt = "from timbreclip_core import hookimpl\n@hookimpl\ndef tclip_encoderz(): yield 1\n"
    sources = {"zz-broken": "1/0\n", "zz-misspelt": misspelt, "zz-clash": SAME_NAME}
    environment.install("timbreclip-core")
    for name, code in sources.items():
        build_wheel(write_plugin(tmp_path / name, name, code), tmp_path / "built")
    environment.wheels = tmp_path / "built"
    environment.install(*sources)

    done = environment.run("tclip", "plugins", "--json")
    faults = {p["distribution"]: p["error"] for p in json.loads(done.stdout)["plugins"]}
    assert "ZeroDivisionError" in faults["zz-broken"]
    assert "tclip_encoderz" in faults["zz-misspelt"]
    assert faults["timbreclip-core"] is None
    assert "zz-broken is switched off" in done.stderr
    assert done.returncode == 1
    assert "timbreclip-core and by zz-clash" in done.stderr

    used = environment.run("tclip", "rank", "x.wav", "piano")
    assert used.returncode == 1
    assert "timbreclip-core and by zz-clash" in used.stderr
    assert environment.run("tclip", "models").returncode == 0
    limited = environment.run("tclip", "plugins", TCLIP_PLUGINS="")
    assert (limited.returncode, limited.stderr) == (0, "")
