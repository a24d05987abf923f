"""Measured attributes: the table of descriptors, what is usual, and the words."""

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from timbreclip_core import lexicon
from timbreclip_core.cli.main import cli
from timbreclip_core.descriptors import DESCRIPTORS
from timbreclip_core.errors import InputError
from timbreclip_train.datasets import Note, NoteDataset
from timbreclip_train.datasets.rendered import Rendered
from timbreclip_train.measured import describing
from timbreclip_train.measured.attributes import attribute_names, attributes, by_pitch
from timbreclip_train.measured.checking import check_on_synth
from timbreclip_train.measured.corpus import Described, pitches_of
from timbreclip_train.measured.describing import describe_notes, note_keys, pick_notes
from timbreclip_train.measured.judging import (
    attributes_of,
    degrees_of,
    has_and_unclear,
    patch_degrees,
)
from timbreclip_train.measured.measuring import NAMES, measure
from timbreclip_train.measured.reference import GRID, Reference
from timbreclip_train.measured.table import DescriptorTable, read_table
from timbreclip_train.text import mentions_held_out

RATE = 32_000
PITCHES = (48, 60, 72)


def tone(pitch, *, harmonics=8, tilt_db=6.0, seconds=1.2, vibrato_cents=0.0, decay_s=None):
    """Harmonics that fall by ``tilt_db`` an octave, held for 0.9 s."""
    t = np.arange(int(RATE * seconds)) / RATE
    hz = 440 * 2 ** ((pitch - 69) / 12)
    # The phase of a sinusoidal deviation of so many cents at 5.5 Hz.
    depth = hz * np.log(2) * vibrato_cents / 1200
    phase = 2 * np.pi * hz * t + depth / 5.5 * np.sin(2 * np.pi * 5.5 * t)
    numbers = np.arange(1, harmonics + 1)
    numbers = numbers[numbers * hz < 15_000]
    wave = sum(n ** (-tilt_db / 6.02) * np.sin(n * phase) for n in numbers)
    envelope = np.clip(t / 0.005, 0, 1) * np.clip((0.95 - t) / 0.05, 0, 1)
    if decay_s is not None:
        envelope = envelope * 10 ** (-3 * t / decay_s)
    return 0.5 * (wave / np.abs(wave).max()) * envelope


def write_patch(root, patch, notes, *, tags=(), collection="synth", unpitched=False):
    """A FLAC file of notes back to back; returns the lines of its manifest."""
    (root / "audio").mkdir(parents=True, exist_ok=True)
    rows, offset = [], 0
    for (pitch, velocity), wave in notes.items():
        row = {"id": patch, "source": "synth", "collection": collection, "name": patch}
        row |= {"category": "lead", "tags": list(tags), "author": "", "licence": "CC0-1.0"}
        row |= {"unpitched": unpitched, "pitch": pitch, "velocity": velocity, "hold_s": 0.9}
        row |= {"file": f"audio/{patch}.flac", "offset": offset, "frames": len(wave)}
        rows.append(json.dumps(row | {"sample_rate": RATE, "peak": 0.5, "gain_db": 0.0}))
        offset += len(wave)
    stereo = np.stack([np.concatenate(list(notes.values()))] * 2, 1)
    soundfile.write(root / f"audio/{patch}.flac", stereo, RATE, subtype="PCM_16")
    return rows


def write_manifest(root, rows):
    (root / "manifest.jsonl").write_text("\n".join(rows) + "\n", "utf-8")


@pytest.fixture
def corpus(tmp_path):
    root = tmp_path / "corpus"
    rows = []
    for i in range(4):
        waves = {(p, 100): tone(p, tilt_db=3.0 + 4 * i) for p in PITCHES}
        rows += write_patch(root, f"tone-{i}", waves)
    write_manifest(root, rows)
    return root


def measured(dataset, notes, folder):
    return list(describe_notes(dataset, notes, folder))


@pytest.fixture
def table(corpus, tmp_path):
    """The corpus's descriptors, measured in this process."""
    dataset = Rendered(corpus)
    rows = measure(dataset, dataset.notes).rows
    return DescriptorTable(tuple(rows), NAMES, np.stack(list(rows.values())))


def test_a_row_holds_every_descriptor_and_the_stereo_width():
    assert (*(d.name for d in DESCRIPTORS), "stereo_width_db") == NAMES


def test_measuring_gives_what_the_sound_was_made_with(tmp_path):
    plain, shaken = tone(60), tone(60, vibrato_cents=30)
    write_manifest(tmp_path, write_patch(tmp_path, "a", {(60, 100): plain, (60, 50): shaken}))
    dataset = Rendered(tmp_path)
    found = measure(dataset, dataset.notes)
    depth = {n: row[NAMES.index("vibrato_depth_cents")] for n, row in found.rows.items()}
    assert depth["a/60/100"] == 0
    assert depth["a/60/50"] == pytest.approx(30, abs=3)
    assert all(row[NAMES.index("stereo_width_db")] == -60 for row in found.rows.values())


def test_notes_of_other_lengths_in_the_same_file_change_nothing(tmp_path):
    long, short = tone(60), tone(60)[: RATE // 2]
    write_manifest(tmp_path, write_patch(tmp_path, "a", {(60, 100): long, (62, 100): short}))
    dataset = Rendered(tmp_path)
    together = measure(dataset, dataset.notes).rows
    for note in dataset.notes:
        alone = measure(dataset, [note]).rows[note.id]
        assert np.allclose(alone, together[note.id], rtol=1e-4, atol=1e-4)


def test_a_silent_or_missing_note_is_named_and_the_others_are_measured(corpus):
    rows = (corpus / "manifest.jsonl").read_text("utf-8").splitlines()
    rows += write_patch(corpus, "silent", {(60, 100): np.zeros(RATE)})
    rows += write_patch(corpus, "gone", {(60, 100): tone(60)})
    write_manifest(corpus, rows)
    (corpus / "audio/gone.flac").unlink()
    dataset = Rendered(corpus)
    found = measure(dataset, dataset.notes)
    assert found.failed.keys() == {"silent/60/100", "gone/60/100"}
    assert "silent" in found.failed["silent/60/100"]
    assert str(corpus) not in found.failed["gone/60/100"]
    assert len(found.rows) == len(dataset) - 2


def test_a_second_run_measures_only_what_changed(corpus, tmp_path):
    dataset, folder = Rendered(corpus), tmp_path / "d"
    steps = measured(dataset, dataset.notes, folder)
    assert (steps[0].done, steps[-1].done, steps[-1].total) == (0, 12, 12)
    first, before = read_table(folder), (folder / "descriptors.npz").read_bytes()
    assert [s.done for s in measured(dataset, dataset.notes, folder)] == [12]
    assert (folder / "descriptors.npz").read_bytes() == before

    write_patch(corpus, "tone-2", {(p, 100): tone(p, vibrato_cents=40) for p in PITCHES})
    steps = measured(Rendered(corpus), dataset.notes, folder)
    assert (steps[0].done, steps[-1].done) == (9, 12)
    second = read_table(folder)
    rows = np.flatnonzero((first.values != second.values).any(1))
    assert [first.ids[row] for row in rows] == [n for n in first.ids if n.startswith("tone-2/")]


def test_an_interrupted_run_ends_with_the_same_bytes(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(describing, "PART_NOTES", 3)
    dataset = Rendered(corpus)
    measured(dataset, dataset.notes, tmp_path / "whole")
    steps = describe_notes(dataset, dataset.notes, tmp_path / "cut")
    while next(steps).done < 3:
        pass
    steps.close()
    parts = sorted((tmp_path / "cut/parts").glob("*.npz"))
    assert parts and not (tmp_path / "cut/descriptors.npz").exists()
    parts[0].write_bytes(parts[0].read_bytes()[:50])  # as a full disk may leave it
    (tmp_path / "cut/parts/.half-written.npz").write_bytes(b"")
    assert measured(dataset, dataset.notes, tmp_path / "cut")[0].done == 3 * (len(parts) - 1)
    whole, cut = (tmp_path / f / "descriptors.npz" for f in ("whole", "cut"))
    assert whole.read_bytes() == cut.read_bytes()
    assert not (tmp_path / "cut/parts").exists()


class Deadly(NoteDataset):
    """One of its notes kills the process that reads it."""

    name = "deadly"

    def scan(self):
        for i in range(4):
            yield Note(id=f"n{i}", patch=f"p{i}", audio=f"{i}.wav", split="train", pitch=60)

    def read(self, note):
        if note.id == "n2":
            os._exit(9)
        return tone(60)[None].astype(np.float32), RATE


def test_a_note_that_kills_its_process_costs_only_itself(tmp_path):
    dataset = Deadly(tmp_path)
    steps = measured(dataset, dataset.notes, tmp_path / "d")
    assert [note for step in steps for note, _ in step.failed] == ["n2"]
    assert read_table(tmp_path / "d").ids == ("n0", "n1", "n3")
    assert "died" in json.loads((tmp_path / "d/index.json").read_text("utf-8"))["failed"]["n2"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_workers_end_when_their_parent_is_killed(corpus, tmp_path):
    code = (
        "import sys\n"
        "from timbreclip_train.datasets.rendered import Rendered\n"
        "from timbreclip_train.measured import describing\n"
        "if __name__ == '__main__':\n"
        "    with describing._pool(1) as pool:\n"
        "        import os, time\n"
        "        print(pool.submit(os.getpid).result(), flush=True)\n"
        "        time.sleep(60)\n"
    )
    script = tmp_path / "parent.py"
    script.write_text(code)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        worker = int(parent.stdout.readline())
        os.kill(parent.pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while _is_running(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_running(worker)


def _is_running(pid):
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_note_s_key_follows_the_audio_and_not_the_file_s_date(corpus):
    before = note_keys(Rendered(corpus))
    path = corpus / "audio/tone-1.flac"
    os.utime(path, (1, 1))
    assert note_keys(Rendered(corpus)) == before
    samples, rate = soundfile.read(path)
    soundfile.write(path, samples[::-1], rate, subtype="PCM_16")
    changed = {n for n, key in note_keys(Rendered(corpus)).items() if key != before[n]}
    assert changed == {n for n in before if n.startswith("tone-1/")}


class Many(NoteDataset):
    """Patches of 12 notes, as the renderer plays them."""

    name = "many"

    def scan(self):
        for patch in ("a", "b"):
            for i in range(12):
                velocity = 50 if i % 3 == 2 else 100
                yield Note(
                    id=f"{patch}/{i}",
                    patch=patch,
                    audio="x.flac",
                    split="train",
                    pitch=36 + 4 * i,
                    velocity=velocity,
                )


def test_picked_notes_are_spread_over_pitch_and_velocity(tmp_path):
    dataset = Many(tmp_path)
    picked = pick_notes(dataset, 4)
    assert picked == pick_notes(Many(tmp_path), 4)
    for patch in ("a", "b"):
        notes = [n for n in picked if n.patch == patch]
        groups = sorted((n.pitch - 36) // 12 for n in notes)
        assert groups == [0, 1, 2, 3]
        assert sorted(n.velocity for n in notes) == [50, 50, 100, 100]
    assert pick_notes(dataset, 0) == list(dataset.notes)
    assert len(pick_notes(dataset, 50)) == 24
    with pytest.raises(InputError, match="or more"):
        pick_notes(dataset, -1)


def test_a_missing_or_damaged_table_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match="tclip data describe"):
        read_table(tmp_path)
    (tmp_path / "descriptors.npz").write_bytes(b"PK\x03\x04 not a table")
    with pytest.raises(InputError, match="damaged"):
        read_table(tmp_path)


def test_select_keeps_the_order_asked_for_and_drops_what_is_not_there():
    values = np.arange(6, dtype=np.float32).reshape(3, 2)
    table = DescriptorTable(("a", "b", "c"), ("x", "y"), values)
    chosen = table.select(["c", "nobody", "a"])
    assert chosen.ids == ("c", "a")
    assert chosen.column("y").tolist() == [5, 1]
    with pytest.raises(InputError, match="no descriptor"):
        table.column("z")


def one_column(name, values):
    """A table in which only one descriptor varies."""
    table = np.zeros((len(values), len(NAMES)), np.float32)
    table[:, NAMES.index(name)] = values
    return DescriptorTable(tuple(f"n{i}" for i in range(len(values))), NAMES, table)


def test_a_deviation_of_one_is_the_upper_quantile_of_what_was_fitted():
    rng = np.random.default_rng(0)
    values = rng.normal(3.0, 2.0, 20_000)
    table = one_column("temporal_centroid_s", values)
    reference = Reference.fit(table, np.full(len(values), 60.0))
    # Of a normal distribution these quantiles are one standard deviation from the mean.
    found = reference.deviations("temporal_centroid_s", np.array([1.0, 3.0, 5.0]), np.full(3, 60.0))
    assert found == pytest.approx([-1, 0, 1], abs=0.05)


def test_what_is_usual_follows_the_pitch_as_far_as_the_data_file_says():
    rng = np.random.default_rng(1)
    pitches = rng.uniform(24, 108, 40_000)
    slope = 0.05
    noise = rng.normal(0, 0.3, len(pitches))
    for name in ("low_share_db", "centroid_octaves", "temporal_centroid_s"):
        table = one_column(name, slope * pitches + noise)
        reference = Reference.fit(table, pitches)
        rise = reference.value_at(name, 0, 84) - reference.value_at(name, 0, 48)
        assert rise == pytest.approx(by_pitch().get(name, 0.0) * slope * 36, abs=0.06)


def test_sounds_without_pitch_are_compared_with_each_other():
    pitches = np.array([60.0] * 500 + [np.nan] * 500)
    rng = np.random.default_rng(2)
    values = np.where(np.isnan(pitches), 2.0, -1.0) + rng.normal(0, 0.1, 1000)
    reference = Reference.fit(one_column("centroid_octaves", values), pitches)
    assert reference.value_at("centroid_octaves", 0, 60) == pytest.approx(-1, abs=0.05)
    assert reference.value_at("centroid_octaves", 0, np.nan) == pytest.approx(2, abs=0.05)


def test_a_constant_descriptor_makes_no_outliers():
    table = one_column("flux", np.full(100, 0.25))
    reference = Reference.fit(table, np.full(100, 60.0))
    assert np.isfinite(reference.deviations("flux", np.array([0.25, 0.3]), np.full(2, 60.0))).all()
    with pytest.raises(InputError, match="no notes"):
        Reference.fit(table.select([]), np.array([]))


def test_a_reference_comes_back_from_its_file_and_says_thresholds_in_units(table, tmp_path):
    pitches = np.tile(PITCHES, 4).astype(float)
    reference = Reference.fit(table, pitches, "tones")
    reference.save(tmp_path / "reference.json")
    again = Reference.load(tmp_path / "reference.json")
    assert again == reference
    told = json.loads((tmp_path / "reference.json").read_text("utf-8"))["thresholds"]
    assert told.keys() == set(attribute_names())
    [bright] = told["bright"]
    assert bright["side"] == "above"
    wanted = reference.value_at("centroid_octaves", bright["edge"], 60.0)
    assert bright["at"]["C4"] == pytest.approx(wanted, abs=1e-3)
    [vibrato] = told["vibrato"]
    assert vibrato["at"] == {"any pitch": 10.0}
    (tmp_path / "reference.json").write_text('{"format": "else"}')
    with pytest.raises(InputError, match="no reference"):
        Reference.load(tmp_path / "reference.json")


def test_every_condition_is_of_a_descriptor_and_leaves_room_for_doubt():
    for attribute in attributes():
        assert attribute.conditions
        for condition in attribute.conditions:
            assert condition.descriptor in NAMES
            assert condition.edge != condition.none
    assert set(by_pitch()) <= set(NAMES)
    assert all(0 <= share <= 1 for share in by_pitch().values())
    assert len(GRID) == len(set(GRID))


def test_no_word_of_an_attribute_is_held_out_and_each_has_its_own():
    listed = [w for a in attributes() for w in a.words]
    assert not [w for w in listed if mentions_held_out(w) or lexicon.mentions_held_out(w)]
    labels = [a.label for a in attributes()]
    assert len(set(labels)) == len(labels)
    assert {"bright", "dark", "warm", "vibrato", "noisy", "slow attack", "wide"} <= set(labels)


def test_brightness_is_judged_against_the_corpus(table):
    pitches = np.tile(PITCHES, 4).astype(float)
    has, unclear = attributes_of(Reference.fit(table, pitches), table, pitches)
    names = attribute_names()
    at_c4 = has[pitches == 60]
    # From 3 to 15 dB an octave.
    assert at_c4[:, names.index("bright")].tolist() == [True, False, False, False]
    assert at_c4[:, names.index("dark")].tolist() == [False, False, False, True]
    assert not (has & unclear).any()


def test_between_the_edges_nobody_can_say_nor_where_an_attribute_makes_no_sense():
    depths = np.array([3.0, 7.0, 20.0, 20.0])
    table = one_column("vibrato_depth_cents", depths)
    pitches = np.array([60.0, 60.0, 60.0, np.nan])
    reference = Reference.fit(table, pitches)
    has, unclear = attributes_of(reference, table, pitches)
    column = attribute_names().index("vibrato")
    assert has[:, column].tolist() == [False, False, True, False]
    assert unclear[:, column].tolist() == [False, True, False, True]
    degrees = degrees_of(reference, table, pitches)[:, column]
    assert degrees[:3] == pytest.approx([-1.4, -0.6, 2.0])
    assert np.isnan(degrees[3])


def test_a_patch_has_what_more_than_half_of_its_sayable_notes_have():
    nan = np.nan
    degrees = np.array([[1, -2, nan, nan], [1, 1, 1, nan], [-2, 1, nan, nan], [1, -2, nan, nan]])
    patches, found = patch_degrees(degrees, ["a"] * 4)
    has, unclear = has_and_unclear(found)
    assert patches == ("a",)
    assert has.tolist() == [[True, False, True, False]]
    assert unclear.tolist() == [[False, False, False, True]]


def tclip(*arguments):
    return CliRunner().invoke(cli, ["data", *map(str, arguments)])


@pytest.fixture
def labelled(tmp_path):
    """Tones of which every second one has vibrato or decays, as their tags say."""
    root = tmp_path / "labelled"
    rows = []
    kinds = {
        "plain": ({"tilt_db": 6.0}, ("sustained",)),
        "shaken": ({"tilt_db": 6.0, "vibrato_cents": 30}, ("vibrato", "sustained")),
        "falling": ({"tilt_db": 6.0, "decay_s": 0.3}, ("short", "plucked")),
    }
    for name, (how, tags) in kinds.items():
        for i in range(2):
            waves = {(p, 100): tone(p + i, **how) for p in PITCHES}
            rows += write_patch(root, f"{name}-{i}", waves, tags=tags)
    write_manifest(root, rows)
    return root


def test_describe_gives_patches_their_qualities(labelled):
    before = json.loads(tclip("sample", "rendered", "--root", labelled, "-n", 6, "--json").stdout)
    assert all("qualities" not in row["text"] for row in before)
    done = tclip("describe", "rendered", "--root", labelled, "--json")
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert (facts["notes"], facts["patches"]) == (18, 6)
    shares = {row["name"]: row["share"] for row in facts["attributes"]}
    assert shares["vibrato"] == pytest.approx(1 / 3)
    qualities = {n.patch: n.text["qualities"] for n in Rendered(labelled).notes}
    assert [p for p, said in qualities.items() if "vibrato" in said] == ["shaken-0", "shaken-1"]
    assert all("decaying" in qualities[f"falling-{i}"] for i in range(2))
    assert "qualities: " in tclip("sample", "rendered", "--root", labelled).stdout
    plain = tclip("describe", "rendered", "--root", labelled)
    assert "vibrato_depth_cents above 10" in plain.stdout

    path = labelled / "descriptors/qualities.json"
    path.write_text("[1]", "utf-8")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert "qualities" not in Rendered(labelled).notes[0].text
    assert "tclip data describe" in str(seen[0].message)


def test_another_corpus_s_reference_serves_where_nothing_trains(labelled, tmp_path):
    usual = tmp_path / "usual"
    assert tclip("describe", "rendered", "--root", labelled, "--out", usual).exit_code == 0
    kept = (usual / "reference.json").read_bytes()
    (usual / "reference.json").rename(tmp_path / "reference.json")
    given = ("--reference", tmp_path / "reference.json")
    done = tclip("describe", "rendered", "--root", labelled, "--out", usual, *given)
    assert done.exit_code == 0, done.output
    assert (usual / "reference.json").read_bytes() == kept


def test_check_compares_with_the_tags_of_the_synthesiser(tmp_path):
    tags = sorted({t.lstrip("-") for a in attributes() for t in a.tags} - {"vibrato"})
    rng = np.random.default_rng(3)
    notes, depths = [], []
    for i in range(200):
        said = [tag for tag in tags if rng.random() < 0.3]
        shaken = i % 4 == 0
        said += ["vibrato"] * shaken
        # One in ten of those without the tag shakes as well.
        depths.append(20.0 if shaken or i % 10 == 1 else 0.0)
        notes.append(
            Note(
                id=f"n{i}",
                patch=f"p{i}",
                audio="x.flac",
                split="train",
                pitch=60,
                text={"tags": tuple(said)},
                info={"source": "synth"},
            )
        )
    table = one_column("vibrato_depth_cents", depths)
    reference = Reference.fit(table, pitches_of(notes))
    degrees = degrees_of(reference, table, pitches_of(notes))
    patches, of_patches = patch_degrees(degrees, [n.patch for n in notes])
    has, unclear = has_and_unclear(of_patches)
    described = Described(tuple(notes), table, reference, degrees, patches, has, unclear)
    found = {row.name: row for row in check_on_synth(described)}
    vibrato = found["vibrato"]
    others = sum(i % 4 != 0 and i % 10 == 1 for i in range(200))
    assert vibrato.recall == 1
    assert vibrato.precision == pytest.approx(50 / (50 + others))
    # Ties count half: of the untagged, `others` are as deep as the tagged.
    assert vibrato.auc == pytest.approx(1 - 0.5 * others / 150)
    assert np.isnan(found["noisy"].precision)


def test_check_needs_the_synthesiser_and_enough_of_it(labelled):
    done = tclip("describe", "rendered", "--root", labelled, "--check")
    assert done.exit_code == 1
    assert "synth" in done.output


def test_describe_s_help_does_not_import_torch():
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from timbreclip_core.cli.main import cli\n"
        "assert '--per-patch' in CliRunner().invoke(cli, ['data', 'describe', '--help']).output\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
