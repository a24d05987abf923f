"""The evaluation commands on a small folder of patches, with the bundled model."""

import json

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from timbreclip_core import load_model
from timbreclip_core.cli.main import cli
from timbreclip_train.datasets.opening import open_dataset
from timbreclip_train.evaluation.attributes import SINGLED_OUT
from timbreclip_train.evaluation.hearing import hear
from timbreclip_train.evaluation.store import VectorStore, model_source

RATE = 32_000
PITCHES = (36, 48, 60)


def tone(pitch, patch):
    """Patches differ in decay and in how their harmonics fall off."""
    t = np.arange(RATE) / RATE
    hz = 440 * 2 ** ((pitch - 69) / 12)
    partials = range(1, int(12_000 / hz))
    wave = sum(np.sin(2 * np.pi * hz * k * t) * k ** -(0.5 + patch / 3) for k in partials)
    return (0.2 * wave * np.exp(-t * (1 + patch)) / np.abs(wave).max()).astype(np.float32)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("patches")
    lines = ["file,patch,title,category,tags,pitch,velocity"]
    for patch in range(7):
        for pitch in PITCHES:
            name = f"{patch}-{pitch}.wav"
            silent = patch == 6 or (patch, pitch) == (0, 36)
            soundfile.write(folder / name, tone(pitch, patch) * (not silent), RATE)
            category = ("bass", "pad", "bell")[patch % 3]
            tags = "bright;long" if patch < 5 else "dark"
            lines.append(f"{name},p{patch},Title {patch},{category},{tags},{pitch},64")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def tclip_eval(verb, root, cache, *args):
    place = ["--dataset", "patches", "--root", str(root), "--split", "all", "--cache", str(cache)]
    return CliRunner().invoke(cli, ["eval", verb, *place, *map(str, args)])


def record(verb, root, cache, *args):
    done = tclip_eval(verb, root, cache, "--json", *args)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_retrieval_reports_every_kind_in_every_direction_with_its_bounds(root, cache):
    found = record("retrieval", root, cache)
    assert len(found["blocks"]) == 9
    for block in found["blocks"]:
        names = [row["model"].split("@")[0] for row in block["rows"]]
        assert names == ["small", "random", "perfect"]
        model, random, perfect = (row["measures"]["rank"]["mean"] for row in block["rows"])
        assert perfect == 1 <= min(model, random)
        assert model <= block["documents"]


def test_silent_notes_are_listed_and_a_silent_patch_stays_a_document(root, cache):
    found = record("retrieval", root, cache, "--kind", "title")
    left_out = {item["note"] for item in found["left_out"]}
    assert len(left_out) == 4
    text_to_patch = found["blocks"][0]
    assert text_to_patch["documents"] == text_to_patch["queries"] == 7
    ranks = next(r for r in found["ranks"] if r["direction"] == "text to patch")
    assert dict(zip(ranks["queries"], ranks["first"], strict=True))["Title 6"] == 7
    assert found["blocks"][1]["queries"] == 17
    assert found["blocks"][2]["queries"] == 6


def test_paper_compat_counts_one_more_and_swaps_two_labels(root, cache):
    plain = record("retrieval", root, cache)
    compat = record("retrieval", root, cache, "--paper-compat")
    assert "first K + 1" in compat["paper_compat"]
    first = {b["kind"]: b for b in compat["blocks"] if b["direction"] == "text to patch"}
    category = next(b for b in plain["blocks"] if b["kind"] == "category")
    assert (
        first["category"]["rows"][2]["measures"]["recall@1"]["mean"]
        > category["rows"][2]["measures"]["recall@1"]["mean"]
    )
    assert set(first) == {"title", "title + category", "category"}


@pytest.mark.parametrize(
    ("style", "says"), [("text", "TITLE, TEXT"), ("markdown", "|---|"), ("latex", "tabular")]
)
def test_the_table_comes_in_three_styles(root, cache, style, says):
    done = tclip_eval("retrieval", root, cache, "--kind", "title", "--format", style)
    assert says in done.stdout
    assert "perfect" in done.stdout


def test_ranks_are_written_by_query_and_two_reports_compare(root, cache, tmp_path):
    for name, pooling in (("a", "min"), ("b", "centroid")):
        args = ["--kind", "category", "--pooling", pooling, "-o", tmp_path / f"{name}.json"]
        done = tclip_eval("retrieval", root, cache, *args, "--ranks", tmp_path / f"{name}.parquet")
        assert done.exit_code == 0, done.output
    from pyarrow import parquet

    rows = parquet.read_table(tmp_path / "a.parquet").to_pylist()
    assert {"kind", "direction", "query", "rank", "recall@10"} <= set(rows[0])
    compare = ["eval", "compare", str(tmp_path / "a.json"), str(tmp_path / "b.json"), "--json"]
    found = json.loads(CliRunner().invoke(cli, compare).stdout)
    per_note = next(r for r in found if r["direction"] == "audio to text per note")
    assert per_note["difference"] == 0
    assert per_note["p"] == 1


def test_zero_shot_draws_what_it_prints(root, cache, tmp_path):
    picture = tmp_path / "confusion.png"
    found = record("zeroshot", root, cache, "--plot", picture)
    assert found["classes"] == ["bass", "bell", "pad"]
    assert np.sum(found["confusion"]) == found["items"] == 6
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert record("zeroshot", root, cache, "--per", "note")["items"] == 17


def test_pitch_stands_beside_a_baseline(root, cache):
    rows = record("pitch", root, cache)["rows"]
    assert [r["vectors"] for r in rows] == ["text", "timbre", "MFCC"]
    assert all(0 <= r["recall"]["1"]["recall@1"] <= 1 for r in rows)


def test_attributes_keep_seen_and_held_out_words_apart(root, cache):
    found = record("attributes", root, cache, "--words", 2, "--sounds", 2)
    assert found["correlation"]["seen_words"] > found["correlation"]["held_out_words"] > 0
    shown = {w["word"]: w for w in found["eq"]["words"]}
    assert set(SINGLED_OUT) <= set(shown)
    assert len(shown) <= 2 + len(SINGLED_OUT)
    assert all(w["total"] == 2 and w["value"] == w["right"] / 2 for w in shown.values())
    right = sum(w["right"] for w in shown.values())
    assert found["eq"]["seen_right"] + found["eq"].get("held_out_right", 0) == right
    assert set(found["tags"]["by_tag"]) == {"bright", "long"}


def test_vectors_are_computed_once_and_a_stopped_run_goes_on(root, tmp_path, monkeypatch):
    model = load_model("small")
    dataset = open_dataset("patches", root)
    store = VectorStore(model_source(model), tmp_path)
    whole = hear(dataset, dataset.notes, model, store=store, progress=False)
    half = VectorStore(model_source(model), tmp_path / "half")
    hear(dataset, dataset.notes[:9], model, store=half, progress=False)
    heard = []
    monkeypatch.setattr(
        type(model), "embed_audio_kinds", _counting(type(model).embed_audio_kinds, heard)
    )
    rest = hear(dataset, dataset.notes, model, store=half, progress=False)
    assert 0 < sum(heard) <= len(dataset.notes) - 9
    for kind, vectors in whole.vectors.items():
        assert np.abs(vectors - rest.vectors[kind]).max() < 1e-5
    heard.clear()
    hear(dataset, dataset.notes, model, store=half, progress=False)
    assert heard == []


def _counting(method, heard):
    def counted(self, audio, **options):
        heard.append(len(audio))
        return method(self, audio, **options)

    return counted


def test_a_changed_sound_is_heard_again(root, tmp_path):
    model = load_model("small")
    soundfile.write(tmp_path / "a.wav", tone(48, 1), RATE)
    (tmp_path / "manifest.csv").write_text("file,patch,title\na.wav,p,One\n")
    vectors = []
    for patch in (1, 6):
        soundfile.write(tmp_path / "a.wav", tone(48, patch), RATE)
        dataset = open_dataset("patches", tmp_path)
        store = VectorStore(model_source(model), tmp_path / "cache")
        vectors.append(hear(dataset, dataset.notes, model, store=store).vectors["text"])
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-3


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["retrieval", "--dataset", "nonsense"], 2, "Unknown dataset"),
        (["retrieval", "--dataset", "patches", "--root", "/nowhere"], 1, "no folder"),
        (["compare", "/nowhere/a.json", "/nowhere/b.json"], 1, "no report"),
    ],
)
def test_wrong_use_is_told(args, code, says):
    done = CliRunner().invoke(cli, ["eval", *args])
    assert done.exit_code == code, done.output
    assert says in done.stderr
