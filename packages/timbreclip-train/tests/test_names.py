"""The paper's recipe: names of notes, in a CLIP of the true shape with random weights."""

import csv
import json
import shutil

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from timbreclip_core import load_model
from timbreclip_core.cli.main import cli
from timbreclip_core.encoders.wav2clip import Wav2Clip
from timbreclip_core.errors import InputError, MissingWeightsError, UsageError
from timbreclip_train.config import load_preset
from timbreclip_train.datasets.base import Note, attributes
from timbreclip_train.datasets.nsynth import NSynth
from timbreclip_train.datasets.patches import Patches
from timbreclip_train.loop import load_run, train
from timbreclip_train.names import names_of
from timbreclip_train.recipes import Material
from timbreclip_train.recipes.names import NamesRecipe
from timbreclip_train.text_vectors import Words, encode_missing
from timbreclip_train.waves import LeftOutWarning, Waves, preparation, takes_of

open_clip = pytest.importorskip("open_clip")
torch.set_num_threads(1)
RATE = 16_000
FAMILIES = ("bass", "brass", "flute", "guitar", "keyboard", "mallet")
TINY = (
    "optimiser.batch=8",
    "optimiser.learning_rate=1e-3",
    "optimiser.steps=6",
    "run.validate_every=3",
    "run.log_every=1",
)


def tone(pitch, seconds, rate=RATE, seed=0):
    hz, t = 440 * 2 ** ((pitch - 69) / 12), np.arange(int(seconds * rate)) / rate
    noise = 0.01 * np.random.default_rng(seed).normal(size=len(t))
    return 0.3 * np.sin(2 * np.pi * hz * t) * np.exp(-t) + noise


def make_nsynth(root):
    """Two notes each of six instruments to learn from, one each to validate on."""
    for split, first, pitches in (
        ("train", 0, (40, 60)),
        ("valid", 50, (50,)),
        ("test", 90, (50,)),
    ):
        rows = {}
        for number, family in enumerate(FAMILIES):
            instrument = f"{family}_acoustic_{first + number:03d}"
            for pitch in pitches:
                name = f"{instrument}-{pitch:03d}-100"
                rows[name] = {
                    "note_str": name,
                    "instrument_str": instrument,
                    "pitch": pitch,
                    "velocity": 100,
                    "sample_rate": RATE,
                    "instrument_family_str": family,
                    "instrument_source_str": "acoustic",
                    "qualities_str": ["bright"] if number % 2 else ["dark"],
                }
                path = root / f"nsynth-{split}" / "audio" / f"{name}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, tone(pitch, 1.0, seed=number), RATE)
        (root / f"nsynth-{split}" / "examples.json").write_text(json.dumps(rows))


def make_alv(root, count=12):
    """ALV in the paper's form, four of the sixteen notes of a patch, in stereo at 44.1 kHz."""
    with (root / "manifest.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        kinds = ("title", "description", "tags", "type", "subtype")
        table.writerow(["file", "patch", *kinds, "pitch", "velocity"])
        for number in range(count):
            title = f"Blue Smile {'abcdefghijklmnop'[number]}"
            for pitch in (36, 42, 48, 54):
                name = f"{number}-{pitch}.wav"
                left, right = (tone(pitch, 0.5, 44_100, seed) for seed in (number, number + 1))
                soundfile.write(root / name, np.stack([left, right], 1), 44_100)
                texts = (title, "it glows in the dark", "warm;analog", "pad", "sweep")
                table.writerow([name, f"p{number}", *texts, pitch, 64])


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    nsynth, alv = tmp_path_factory.mktemp("nsynth"), tmp_path_factory.mktemp("alv")
    make_nsynth(nsynth)
    make_alv(alv)
    return nsynth, alv


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """CLIP ViT-B/32 and Wav2CLIP of the true shapes with random weights."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    save_file(
        open_clip.create_model("ViT-B-32-quickgelu").state_dict(), folder / "clip.safetensors"
    )
    torch.save(Wav2Clip().state_dict(), folder / "Wav2CLIP.pt")
    yield folder / "clip.safetensors", folder / "Wav2CLIP.pt"
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def material(roots, weights, tmp_path_factory):
    nsynth, alv = roots
    clip, wav2clip = weights
    return Material(
        datasets=(NSynth(nsynth), Patches(alv)),
        cache=tmp_path_factory.mktemp("cache"),
        clip=clip,
        wav2clip=wav2clip,
    )


@pytest.fixture(scope="module")
def recipe(material):
    made = NamesRecipe(load_preset("paper", TINY), material)
    list(made.prepare())
    made.open()
    return made


def test_the_presets_are_the_papers():
    paper = load_preset("paper")
    assert paper.sounds.datasets == ("nsynth", "patches")
    assert (paper.optimiser.name, paper.optimiser.schedule) == ("adam", "constant")
    assert (paper.optimiser.learning_rate, paper.optimiser.batch) == (2e-5, 256)
    assert (paper.run.patience, paper.run.validate_every) == (10, 0)
    assert load_preset("clip-open").sounds.datasets == ("rendered",)


def test_the_paper_preset_trains_and_core_loads_what_it_made(roots, weights, tmp_path):
    nsynth, alv = roots
    clip, wav2clip = weights
    command = ["train", "run", "--preset", "paper", "--out", str(tmp_path / "run")]
    command += ["--root", f"nsynth={nsynth}", "--root", f"patches={alv}"]
    command += ["--cache", str(tmp_path / "cache"), "--clip", str(clip)]
    command += ["--wav2clip", str(wav2clip), "--loaders", "1"]
    command += [word for change in TINY for word in ("--set", change)]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0, done.output
    lines = [json.loads(x) for x in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert lines[-1]["valid_loss"] > 0 and 0 <= lines[-1]["names_hit_10"] <= 1
    model = load_model(tmp_path / "run" / "model")
    assert model.encoder.spaces["text"] == "clip-vit-b-32"
    vectors = model.embed_audio(torch.from_numpy(tone(60, 4.0)).float(), sample_rate=RATE)
    assert vectors.shape == (1, 512) and vectors.space == "clip-vit-b-32"
    card = (tmp_path / "run" / "model" / "README.md").read_text()
    assert "nsynth, patches" in card


def test_a_kept_checkpoint_goes_on_as_if_nothing_had_been(material, tmp_path):
    config = load_preset("paper", (*TINY, "run.checkpoint_every=2", "optimiser.steps=4"))
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    list(train(config, whole, material))
    steps = train(config, parted, material)
    [next(steps) for _ in range(3)]
    steps.close()
    assert [r.step for r in train(config, parted, material)] == [3, 4]
    first, second = (load_run(out)[0].networks.state()["encoder"] for out in (whole, parted))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_batch_holds_every_text_of_its_sounds_and_what_is_true(recipe):
    batch = recipe.batch(0)
    assert batch.sounds.shape == (8, 4 * RATE)
    assert len(set(batch.said)) == len(batch.said)
    notes = [recipe.train.waves.takes[i].note for i in batch.chosen]
    for row, note in enumerate(notes):
        own = {v.lower() for values in note.text.values() for v in values}
        true = {t for t, yes in zip(batch.said, batch.positive[row].tolist(), strict=True) if yes}
        assert own <= true, "all of its attributes"
        assert any(text not in own for text in true), "and combinations of them"
    assert recipe.batch(0).said == batch.said


def test_an_epoch_has_every_sound_once(recipe):
    places = [place for step in range(recipe.epoch) for place in recipe.batch(step).chosen]
    assert len(set(places)) == len(places) == recipe.epoch * 8
    total = len(recipe.train.waves)
    assert total - 8 < len(places) <= total
    second = [
        place for step in range(recipe.epoch) for place in recipe.batch(recipe.epoch + step).chosen
    ]
    assert second != places


def test_copies_are_those_of_the_paper(recipe):
    copies = {}
    for take in recipe.train.waves.takes:
        copies.setdefault((take.dataset.name, take.note.id), []).append(take.copy)
    for (dataset, _), numbers in copies.items():
        assert numbers == ([0, 1] if dataset == "nsynth" else [0, 1, 2])
    assert all(take.copy == 0 for take in recipe._valid.waves.takes)


def test_a_copy_sounds_higher_or_lower_by_what_was_drawn(roots):
    dataset = NSynth(roots[0])
    takes = takes_of([dataset], [dataset.notes[:1]], preparation(RATE, copies=1))
    waves = Waves(takes=takes, preparation=preparation(RATE, copies=1), seed=0)
    (_, note), (_, shifted) = waves.heard(0), waves.heard(1)
    assert note.shape == shifted.shape == (4 * RATE,)
    assert float(note.abs().max()) == pytest.approx(1.0, abs=1e-5)
    peaks = [float(torch.fft.rfft(x, 1 << 19).abs().argmax()) for x in (note, shifted)]
    semitones = 12 * np.log2(peaks[1] / peaks[0])
    assert 0.02 < abs(semitones) <= 0.51
    assert torch.equal(waves.heard(1)[1], shifted)


def test_a_broken_file_costs_only_its_notes(tmp_path):
    make_alv(tmp_path, count=3)
    broken = tmp_path / "1-42.wav"
    broken.write_bytes(b"RIFF")
    dataset = Patches(tmp_path)
    places = [i for i, note in enumerate(dataset.notes) if note.audio == "1-42.wav"]
    prepared = preparation(RATE, copies=0)
    waves = Waves(
        takes=takes_of([dataset], [dataset.notes], prepared), preparation=prepared, seed=0
    )
    with pytest.warns(LeftOutWarning, match="1-42.wav"):
        other, samples = waves.heard(places[0])
    assert other != places[0] and torch.equal(samples, waves.heard(other)[1])
    for path in tmp_path.glob("*.wav"):
        path.write_bytes(b"RIFF")
    with pytest.warns(LeftOutWarning), pytest.raises(InputError, match="after one another"):
        waves.heard(0)


def note(number, **texts):
    return Note(
        id=str(number), patch=str(number), audio=None, split="train", text=attributes(**texts)
    )


def test_a_combination_is_true_of_whatever_has_both_parts():
    notes = [
        note(0, title="Blue smile", category="Keys", tags=["warm"]),
        note(1, category="Keys", tags=["warm", "soft"]),
        note(2, category="Bass", tags=["warm"]),
    ]
    names = names_of(notes, 20, seed=0, withhold=False)
    said, positive = names.of([0, 1, 2])
    assert {"warm keys", "blue smile keys", "warm blue smile", "soft keys", "warm bass"} <= set(
        said
    )
    assert positive[:, said.index("warm keys")].tolist() == [True, True, False]
    assert positive[:, said.index("warm")].tolist() == [True, True, True]
    assert (
        names_of(notes, 1, seed=0, withhold=False).said[0]
        == names_of(notes[:1], 1, 0, False).said[0]
    )


def test_words_that_measure_generalisation_are_withheld_if_wanted():
    from timbreclip_core import lexicon

    word = lexicon.words(held_out=True)[0].text
    notes = [note(0, title=f"a {word} thing", tags=[word, "pad"])]
    assert names_of(notes, 4, 0, withhold=True).everything() == ["pad"]
    assert word.lower() in names_of(notes, 4, 0, withhold=False).everything()


def test_texts_encoded_before_a_kill_are_not_encoded_again(tmp_path, monkeypatch):
    from timbreclip_train import text_vectors

    monkeypatch.setattr(text_vectors, "TEXTS_AT_ONCE", 2)
    monkeypatch.setattr(text_vectors, "TEXTS_A_PART", 4)
    asked = []

    def encode(texts):
        asked.extend(texts)
        return torch.randn(len(texts), 3)

    words, texts = Words("test", 3, encode), [f"text {n}" for n in range(12)]
    steps = encode_missing(tmp_path, texts, words)
    [next(steps) for _ in range(4)]
    steps.close()
    assert len(asked) == 8 and len(list(tmp_path.glob("*.safetensors"))) == 1
    list(encode_missing(tmp_path, texts, words))
    assert len(asked) == 16, "the first four were kept"
    assert len(list(tmp_path.glob("*.safetensors"))) == 1 + 1


def test_what_is_missing_says_what_to_do(material, tmp_path, monkeypatch):
    monkeypatch.setenv("TCLIP_MODELS", str(tmp_path))
    bare = Material(datasets=material.datasets, cache=tmp_path)
    with pytest.raises(MissingWeightsError, match="tclip models install"):
        list(NamesRecipe(load_preset("paper", TINY), bare).prepare())
    few = NamesRecipe(load_preset("paper", ("optimiser.batch=4096",)), material)
    with pytest.raises(UsageError, match=r"optimiser\.batch"):
        few.open()
