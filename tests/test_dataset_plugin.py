"""The example dataset plugin, as a wheel in an environment that has only what it asks for."""

import json
from pathlib import Path

import numpy as np
import soundfile

SOURCE = Path(__file__).parent.parent / "docs" / "plugins" / "timbreclip-my-dataset"


def make_sounds(root):
    (root / "sounds").mkdir(parents=True)
    wave = 0.5 * np.sin(np.arange(4_000) * 0.1)
    for name in ("kalimba_60", "kalimba_72", "musical saw_64"):
        soundfile.write(root / "sounds" / f"{name}.wav", wave, 16_000)
    words = {"kalimba": ["bright", "plucked"], "musical saw": ["eerie"]}
    (root / "labels.json").write_text(json.dumps(words))


def test_the_example_is_short():
    files = [SOURCE / "pyproject.toml", *SOURCE.rglob("*.py")]
    assert sum(len(f.read_text().splitlines()) for f in files) < 60


def test_the_example_dataset_conforms_when_installed_as_a_wheel(environment, tmp_path):
    environment.install("timbreclip-my-dataset")
    root = tmp_path / "data"
    make_sounds(root)
    check = (
        "from timbreclip_train.datasets import open_dataset\n"
        "from timbreclip_train.testing import check_dataset\n"
        f"check_dataset(open_dataset('my-dataset', {str(root)!r}))"
    )
    done = environment.run("python", "-c", check)
    assert done.returncode == 0, done.stderr

    listed = json.loads(environment.run("tclip", "data", "list", "--json").stdout)
    mine = next(row for row in listed if row["name"] == "my-dataset")
    assert (mine["distribution"], mine["licence"]) == ("timbreclip-my-dataset", "CC0-1.0")
    stats = environment.run("tclip", "data", "stats", "my-dataset", "--root", str(root), "--json")
    assert json.loads(stats.stdout)["patches"] == 2

    (root / "sounds" / "gong.wav").write_bytes(b"")
    bad = environment.run("tclip", "data", "validate", "my-dataset", "--root", str(root))
    assert (bad.returncode, bad.stdout) == (1, "gong.wav: is not called INSTRUMENT_PITCH.wav\n")
