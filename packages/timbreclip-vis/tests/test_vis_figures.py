"""Figures of many pictures, and plots."""

import json
import os
import shutil

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from timbreclip_core.errors import InputError, UsageError
from timbreclip_vis.figures.atlas import flat_map, without_overlap
from timbreclip_vis.figures.effect import effect_subjects
from timbreclip_vis.figures.morph import check_film, morph_subjects
from timbreclip_vis.figures.timeline import Cut
from timbreclip_vis.record import read_record

SMALL = ("-O", "size=48")


def size_of(path):
    with Image.open(path) as image:
        image.load()
        return image.size


def test_a_grid_holds_every_sound_and_goes_on_where_it_was(tclip, sounds, tmp_path):
    out = tmp_path / "grid.png"
    (tmp_path / "bad.wav").write_bytes(b"")
    command = ("vis", "grid", *sounds.values(), tmp_path / "bad.wav", "-o", out, *SMALL, "--json")
    done = tclip(*command, code=1)
    report = json.loads(done.stdout)
    assert [cell["name"] for cell in report["cells"]] == list(sounds)
    assert report["failed"][0]["file"].endswith("bad.wav") and "bad.wav" in done.stderr
    wide, high = size_of(out)
    assert wide > 1.2 * high

    cells = sorted((tmp_path / "grid.cells").iterdir())
    assert [read_record(c)["source"]["file"] for c in cells] == [f"{n}.wav" for n in sounds]
    os.utime(cells[0], (1, 1))
    cells[1].unlink()
    again = json.loads(tclip(*command, code=1).stdout)["cells"]
    assert [cell["kept"] for cell in again] == [True, False, True, True]
    assert cells[0].stat().st_mtime == 1


def test_a_map_puts_pictures_where_none_covers_another(tclip, sounds, tmp_path):
    out = tmp_path / "map.png"
    tclip("vis", "grid", *sounds.values(), "-o", out, "--layout", "map", *SMALL)
    assert min(size_of(out)) > 200


def test_places_on_the_map_are_apart_and_in_order():
    places = np.random.default_rng(0).standard_normal((50, 2))
    found = without_overlap(places)
    assert len({tuple(p) for p in found}) == 50
    for axis in (0, 1):
        assert np.corrcoef(places[:, axis], found[:, axis])[0, 1] > 0.85


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_map_of_few_sounds_has_places_for_them(count):
    places = flat_map(torch.randn(count, 5, generator=torch.Generator().manual_seed(0)))
    assert places.shape == (count, 2) and np.isfinite(places).all()
    assert len({tuple(p) for p in without_overlap(places)}) == count


def test_the_flat_map_keeps_distances_that_lie_in_a_plane():
    plane = torch.randn(20, 2, generator=torch.Generator().manual_seed(0)).double()
    turn = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(1)).double())[
        0
    ]
    places = torch.from_numpy(flat_map(plane @ turn[:2]))
    assert torch.allclose(torch.cdist(places, places), torch.cdist(plane, plane), atol=1e-9)


def test_effects_stand_in_columns_and_levels_in_rows(tclip, sounds, tmp_path):
    out = tmp_path / "fx.png"
    options = ("-e", "low-pass", "-e", "echo", "--levels", "0.3,0.9", "--curves", "--json", *SMALL)
    done = json.loads(tclip("vis", "effect", sounds["buzz"], "-o", out, *options).stdout)
    cells = done["figures"][0]["cells"]
    assert [(c["source"]["effect"], c["source"]["level"]) for c in cells] == [
        ("low-pass", 0.3),
        ("echo", 0.3),
        ("low-pass", 0.9),
        ("echo", 0.9),
    ]
    assert all(cell["change"] for cell in cells)
    assert size_of(out) and size_of(tmp_path / "fx-curves.png")
    dark = [dict(zip(c["keywords"], c["weights"], strict=True))["dark"] for c in cells[::2]]
    assert 0 < dark[0] < dark[1]


def test_an_effect_at_level_zero_changes_nothing(model, sounds):
    ((_, subject),) = effect_subjects(model, sounds["pluck"], ["distortion"], [0.0])
    assert float(subject.vector.norm()) < 1e-6


def test_several_sounds_with_effects_go_into_a_folder(tclip, sounds, tmp_path):
    command = ("vis", "effect", sounds["dull"], sounds["noise"], "-e", "reverb", "--levels", "1")
    tclip(*command, "-o", tmp_path / "all", *SMALL)
    assert {p.name for p in (tmp_path / "all").glob("*.png")} == {"dull.png", "noise.png"}


def test_a_morph_starts_at_one_sound_ends_at_the_other_and_moves_evenly(model, sounds):
    found = list(morph_subjects(model, sounds["dull"], sounds["noise"], 5))
    vectors = torch.cat([subject.vector for _, subject in found]).as_subclass(torch.Tensor)
    assert torch.allclose(vectors[0], model.embed_file(sounds["dull"])[0], atol=1e-6)
    assert torch.allclose(vectors[-1], model.embed_file(sounds["noise"])[0], atol=1e-6)
    steps = (vectors[1:] * vectors[:-1]).sum(-1).acos()
    assert torch.allclose(steps, steps.mean().expand(4), atol=1e-3)


def test_a_morph_is_a_film_that_runs_there_and_back(tclip, sounds, tmp_path):
    out = tmp_path / "m.gif"
    command = ("vis", "morph", sounds["dull"], sounds["noise"], "--frames", 4, "--fps", 10)
    tclip(*command, "-o", out, *SMALL)
    with Image.open(out) as film:
        assert (film.n_frames, film.info["duration"], film.info["loop"]) == (6, 100, 0)
    tclip(*command, "-o", out, "--no-back", *SMALL)
    with Image.open(out) as film:
        assert film.n_frames == 4


def test_mp4_asks_for_ffmpeg(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="ffmpeg"):
        check_film(tmp_path / "a.mp4")


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
def test_an_mp4_is_written_where_ffmpeg_is(tclip, sounds, tmp_path):
    out = tmp_path / "m.mp4"
    tclip("vis", "morph", sounds["dull"], sounds["noise"], "--frames", 3, "-o", out, *SMALL)
    assert out.read_bytes()[4:8] == b"ftyp"


def test_a_timeline_has_a_picture_a_window_and_leaves_silence_out(tclip, tmp_path):
    rate = 16_000
    sound = np.zeros(2 * rate)
    sound[: rate // 2] = np.random.default_rng(0).uniform(-0.3, 0.3, rate // 2)
    sound[-rate // 2 :] = 0.3 * np.sin(0.1 * np.arange(rate // 2))
    soundfile.write(tmp_path / "s.wav", sound, rate)
    out = tmp_path / "t.png"
    done = tclip("vis", "timeline", tmp_path / "s.wav", "-o", out, "--json", *SMALL)
    starts = [cell["source"]["start_s"] for cell in json.loads(done.stdout)["cells"]]
    assert starts == [0.0, 1.5] and size_of(out)[0] > 1000


@pytest.mark.parametrize(
    ("seconds", "window", "hop", "count"),
    [(2.0, 0.5, 0.5, 4), (2.1, 0.5, 0.5, 5), (0.2, 0.5, 0.5, 1), (1.0, 0.5, 0.25, 3)],
)
def test_windows_cover_the_sound(seconds, window, hop, count):
    starts = Cut(window, hop).starts(seconds)
    assert len(starts) == count
    assert starts[-1] + window >= seconds - 1e-9


@pytest.mark.parametrize("cut", [Cut(0, 1), Cut(1, -1), Cut(0.001, 0.001)])
def test_windows_that_make_no_figure_are_refused(cut):
    with pytest.raises(UsageError):
        cut.starts(10.0)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("grid", "SOUND", "-o", "DIR/a.jpg"), 2, ".png"),
        (("grid", "SOUND", "-o", "DIR/no/a.png"), 1, "Make it first"),
        (("effect", "SOUND", "-o", "DIR/a.png", "-e", "ecco"), 2, "echo"),
        (("effect", "SOUND", "-o", "DIR/a.png", "--levels", "0.5,2"), 2, "from 0 to 1"),
        (("effect", "SOUND", "-o", "DIR/a.png", "--levels", "much"), 2, "numbers"),
        (("morph", "SOUND", "SOUND", "-o", "DIR/a.avi"), 2, ".gif"),
        (("timeline", "SOUND", "-o", "DIR/a.png", "--window", "0"), 2, "--window"),
        (("timeline", "DIR/none.wav", "-o", "DIR/a.png"), 1, "no file"),
    ],
)
def test_wrong_use_of_figures_says_what_to_do(tclip, sounds, tmp_path, arguments, code, message):
    places = {"SOUND": str(sounds["dull"])}
    found = [places.get(a, a).replace("DIR", str(tmp_path)) for a in arguments]
    assert message in tclip("vis", *found, code=code).stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments",
    [
        ("spectrogram", "dull"),
        ("weights", "dull", "noise"),
        ("weights", "dull", "noise", "--kind", "radar"),
        ("matrix", "dull", "noise", "buzz", "-k", "bright", "-k", "dark"),
        ("map", "dull", "noise", "buzz", "pluck", "-k", "noisy", "-k", "tonal"),
    ],
    ids=lambda a: "-".join(a[::3]),
)
def test_every_plot_is_drawn(tclip, sounds, tmp_path, arguments):
    found = [sounds.get(a, a) for a in arguments]
    for suffix in ("png", "svg"):
        tclip("plot", *found, "-o", tmp_path / f"p.{suffix}")
    assert np.asarray(Image.open(tmp_path / "p.png").convert("L")).std() > 5
    assert (tmp_path / "p.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize("seconds", [0.0005, 0.01])
def test_a_spectrogram_of_a_click_is_drawn(tclip, tmp_path, seconds):
    soundfile.write(tmp_path / "c.wav", np.full(max(1, int(seconds * 44_100)), 0.5), 44_100)
    tclip("plot", "spectrogram", tmp_path / "c.wav", "-o", tmp_path / "c.png")


def test_a_radar_of_two_words_is_refused(tclip, sounds, tmp_path):
    command = ("plot", "weights", sounds["dull"], "-o", tmp_path / "r.png", "--kind", "radar")
    assert "Use bars" in tclip(*command, "-k", "a", "-k", "b", code=2).stderr
