"""Trainings beside each other, from their settings and logs alone."""

import dataclasses
import json

import pytest
from click.testing import CliRunner

from timbreclip_core.cli.main import cli
from timbreclip_train.comparing import compare, read_run
from timbreclip_train.config import load_preset


def write_run(folder, validations, *changes):
    """A folder as a training leaves it; ``validations``: category_balanced by step."""
    folder.mkdir()
    config = load_preset("small", ("run.best_by=category_balanced", *changes))
    (folder / "config.json").write_text(config.as_json())
    lines = [{"step": 1, "loss": 4.0, "gradient": 1.0}]
    for step, value in validations.items():
        figures = {"category_balanced": value, "title": step / 100}
        lines.append({"step": step, "loss": 3.0, "gradient": 1.0, **figures})
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


@pytest.fixture
def folders(tmp_path):
    return [
        write_run(tmp_path / "a", {10: 0.30, 20: 0.40, 30: 0.35}),
        write_run(tmp_path / "b", {10: 0.20, 20: 0.50}, "run.seed=1", "run.log_every=5"),
        write_run(tmp_path / "c", {30: 0.60}, "loss.choose=2"),
    ]


def test_the_best_validation_of_a_run_counts(folders):
    assert read_run(folders[0]).best() == {"step": 20, "category_balanced": 0.40, "title": 0.2}


def test_runs_that_differ_in_the_seed_are_one_group(folders):
    first, second = compare([read_run(folder) for folder in folders])
    assert [run.folder.name for run in first.runs] == ["a", "b"]
    assert first.settings == {"loss.choose": 1.0} and second.settings == {"loss.choose": 2.0}
    mean, deviation = first.figures()["category_balanced"]
    assert mean == pytest.approx(0.45)
    assert deviation == pytest.approx(0.05 * 2**0.5)  # of two values: half their distance x sqrt 2


def test_the_command_prints_tables_and_draws(folders, tmp_path):
    asked = ["train", "compare", *map(str, folders)]
    told = CliRunner().invoke(cli, [*asked, "--plot", str(tmp_path / "curves.png")])
    assert told.exit_code == 0, told.output
    assert "0.450 ± 0.071" in told.stdout and "loss.choose=2.0; seeds 0" in told.stdout
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    markdown = CliRunner().invoke(cli, [*asked, "--format", "markdown"])
    assert "| category_balanced | 0.450 ± 0.071 | 0.600 |" in markdown.stdout
    record = json.loads(CliRunner().invoke(cli, [*asked, "--json"]).stdout)
    assert record[1]["figures"]["category_balanced"] == {"mean": 0.6, "sd": None}


def test_a_run_without_a_validation_has_a_column_without_figures(tmp_path):
    folder = write_run(tmp_path / "young", {})
    told = CliRunner().invoke(cli, ["train", "compare", str(folder)])
    assert told.exit_code == 0 and "A (1)" in told.stdout


def test_a_folder_without_a_training_is_told(tmp_path):
    told = CliRunner().invoke(cli, ["train", "compare", str(tmp_path)])
    assert told.exit_code == 1 and "holds no training" in told.stderr


def test_every_setting_is_compared(folders):
    run = read_run(folders[0])
    sections = dataclasses.asdict(load_preset("small"))
    assert len(run.settings) == sum(map(len, sections.values()))
