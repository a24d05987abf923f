"""The suite on a small folder of rendered-like patches, with the bundled model."""

import json

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from timbreclip_core import load_model
from timbreclip_core.cli.main import cli
from timbreclip_train.evaluation.attributes import lexicon_of
from timbreclip_train.evaluation.bars import Bar, bars, rows_of, selections
from timbreclip_train.evaluation.suite import TASKS

RATE = 32_000
CATEGORIES = ("brass", "organ", "guitar")
DRUMS = ("kick", "acoustic snare", "crash cymbal")


def tone(hz, bend):
    t = np.arange(RATE // 2) / RATE
    partials = range(1, int(14_000 / hz))
    wave = sum(np.sin(2 * np.pi * hz * k * t) * k ** -(0.4 + bend) for k in partials)
    return (0.2 * wave / np.abs(wave).max() * np.exp(-2 * t)).astype(np.float32)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("suite")
    manifest = []
    for patch in range(12):
        font = patch % 2 == 0
        for pitch in (36, 61):
            name = f"{patch}-{pitch}.wav"
            soundfile.write(folder / name, tone(440 * 2 ** ((pitch - 69) / 12), patch / 8), RATE)
            manifest.append(
                {
                    "file": name,
                    "patch": f"p{patch}",
                    "title": f"title {patch}",
                    "category": CATEGORIES[patch % 3],
                    "tags": ["bright"] if patch < 6 else ["dark"],
                    "pitch": pitch,
                    "collection": "TimGM6mb" if font else "bank",
                }
            )
    for i, drum in enumerate(DRUMS):
        soundfile.write(folder / f"drum{i}.wav", tone(100 * (i + 1), 0.1), RATE)
        row = {"file": f"drum{i}.wav", "patch": f"d{i}", "title": drum, "category": "drums"}
        manifest.append({**row, "collection": "TimGM6mb/Standard"})
    (folder / "manifest.jsonl").write_text("\n".join(map(json.dumps, manifest)) + "\n")
    return folder


def run(root, cache, verb, *args):
    place = ["--dataset", "patches", "--root", str(root), "--split", "all", "--cache", str(cache)]
    return CliRunner().invoke(cli, ["eval", verb, *place, *map(str, args)])


@pytest.fixture(scope="module")
def suite(root, tmp_path_factory):
    cache, out = tmp_path_factory.mktemp("cache"), tmp_path_factory.mktemp("out") / "new"
    args = ["--sounds", 1, "--words", 1, "--copies", 5, "--out", out, "--json"]
    done = run(root, cache, "suite", *args)
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    assert json.loads((out / "suite.json").read_text()) == record
    return cache, out, {(r["task"], r["figure"]): r for r in record["rows"]}, record


def test_every_bar_is_a_row_with_a_figure_or_a_reason(suite):
    _, out, rows, record = suite
    assert [(r["task"], r["figure"]) for r in record["rows"]] == [
        (b.task, b.figure) for b in bars()
    ]
    for row in rows.values():
        assert (row["value"] is None) == ("reason" in row)
    table = (out / "suite.md").read_text()
    assert all(bar.measure in table for bar in bars())
    told = lexicon_of(load_model("small"))
    assert told["valid"] is True and told["note"] in table


def test_what_the_data_do_not_give_is_told(suite):
    _, _, rows, _ = suite
    assert "no such notes" in rows["general_midi", "accuracy"]["reason"]
    assert "benchmarks" in rows["speed", "ratio"]["reason"]


def test_figures_are_those_of_the_single_commands(suite, root):
    cache, _, rows, _ = suite

    def single(verb, *args):
        done = run(root, cache, verb, "--json", *args)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    timgm = ["--collection", "TimGM6mb", "--templates", "none", "--per", "closest"]
    found = single("zeroshot", *timgm)
    assert rows["category_timgm", "accuracy"]["value"] == found["accuracy"]
    assert found["items"] == 6
    drums = single("zeroshot", "--kind", "drum")
    assert rows["percussion", "balanced_accuracy"]["value"] == drums["balanced_accuracy"]
    tags = single("attributes", "--no-eq")["tags"]
    assert rows["tags", "auc"]["value"] == pytest.approx(tags["auc"])
    two = next(r for r in single("pitch")["rows"] if r["vectors"] == "timbre")["recall"]["2"]
    assert rows["pitch", "recall"]["value"] == two["recall@10"]
    title = single(
        "retrieval", "--kind", "title", "--collection", "TimGM6mb", "--collection", "bank"
    )
    block = next(b for b in title["blocks"] if b["direction"] == "text to patch")
    assert block["documents"] == 12
    measured = block["rows"][0]["measures"]["rank"]["mean"]
    assert rows["title", "rank"]["value"] == measured


def test_a_filter_that_fits_nothing_is_told(root, tmp_path):
    done = run(root, tmp_path, "zeroshot", "--collection", "nobody*")
    assert done.exit_code == 1
    assert "no such notes" in done.stderr


def test_bars_name_tasks_and_selections_that_there_are():
    assert {bar.task for bar in bars()} == set(TASKS)
    assert {"timgm", "zyn", "both", "pitched", "with_category", "general_midi", "kits"} == set(
        selections()
    )


def test_a_bar_is_met_from_its_own_side():
    up = Bar(task="t", figure="f", measure="m", command="c", bar=50, unit="percent")
    down = Bar(
        task="t", figure="f", measure="m", command="c", bar=50, unit="rank", direction="down"
    )
    assert (up.met(0.5), up.met(0.49), up.shown(0.5)) == (True, False, "50.0")
    assert (down.met(50), down.met(51)) == (True, False)
    assert Bar(task="t", figure="f", measure="m", command="c").met(1) is None


def test_a_task_that_was_not_run_leaves_its_rows_with_the_reason():
    rows = rows_of({"title": "no titles"})
    assert {r["reason"] for r in rows if r["task"] == "title"} == {"no titles"}
