"""``tclip vis``, as a user calls it."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from timbreclip_vis.record import read_record


def same_pixels(first, second):
    return np.array_equal(np.asarray(Image.open(first)), np.asarray(Image.open(second)))


def test_the_default_verb_draws_one_picture_a_sound(tclip, sounds, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = tclip("vis", sounds["dull"], sounds["noise"])
    assert done.stdout.splitlines()[0].startswith("dull.png: ")
    for name in ("dull", "noise"):
        image = Image.open(tmp_path / f"{name}.png")
        assert (image.size, image.mode) == ((512, 512), "RGB")
    assert not same_pixels("dull.png", "noise.png")


def test_a_picture_knows_how_it_was_made_and_draws_itself_again(tclip, sounds, tmp_path, model):
    out = tmp_path / "a.png"
    options = ("-k", "warm", "-k", "icy", "-k", "metallic", "--top-k", "2", "--seed", "7")
    made = json.loads(
        tclip("vis", sounds["pluck"], "-o", out, *options, "-O", "size=64", "--json").stdout
    )["results"][0]["pictures"][0]
    record = json.loads(tclip("vis", "show", out, "--json").stdout)
    assert record == {k: v for k, v in made.items() if k not in ("picture", "kept")}
    assert record["source"] == {"file": "pluck.wav"}
    assert record["model"] == model.id
    assert record["keywords"] == ["warm", "icy", "metallic"]
    assert (record["template"], record["seed"], record["backend"]) == ("{keyword}", 7, "glyph")
    assert sum(record["weights"]) == pytest.approx(1) and min(record["weights"]) == 0
    assert "Description" in Image.open(out).info
    assert "metallic" in tclip("vis", "show", out).stdout

    tclip("vis", "again", out, "-o", tmp_path / "b.png")
    assert same_pixels(out, tmp_path / "b.png")
    assert read_record(tmp_path / "b.png") == record


def test_an_svg_carries_its_record_too(tclip, sounds, tmp_path):
    tclip("vis", sounds["pluck"], "-o", tmp_path / "a.svg", "-k", "a <b> & c", "-k", "d")
    tclip("vis", "again", tmp_path / "a.svg", "-o", tmp_path / "b.svg")
    assert read_record(tmp_path / "a.svg")["keywords"] == ["a <b> & c", "d"]
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_finished_pictures_are_kept_and_others_drawn(tclip, sounds, tmp_path):
    command = ("vis", sounds["dull"], sounds["noise"], "-o", tmp_path, "-O", "size=64", "--json")
    tclip(*command)
    os.utime(tmp_path / "dull.png", (1, 1))
    (tmp_path / "noise.png").write_bytes(b"half a picture")
    again = json.loads(tclip(*command).stdout)["results"]
    assert [r["pictures"][0]["kept"] for r in again] == [True, False]
    assert (tmp_path / "dull.png").stat().st_mtime == 1
    other = json.loads(tclip(*command, "--seed", "1").stdout)["results"]
    assert [r["pictures"][0]["kept"] for r in other] == [False, False]


def test_a_bad_sound_stops_no_other(tclip, sounds, tmp_path):
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    done = tclip("vis", tmp_path / "bad.wav", sounds["dull"], "-o", tmp_path, code=1)
    assert "bad.wav" in done.stderr
    assert (tmp_path / "dull.png").exists() and not (tmp_path / "bad.png").exists()


def test_sounds_of_one_name_keep_apart(tclip, sounds, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "dull.wav").write_bytes(sounds["noise"].read_bytes())
    tclip("vis", sounds["dull"], other, "-o", tmp_path, "-O", "size=32")
    assert not same_pixels(tmp_path / "dull.png", tmp_path / "dull-2.png")


def test_several_images_have_their_own_seeds(tclip, sounds, tmp_path):
    out = tmp_path / "n.png"
    tclip("vis", sounds["noise"], "-o", out, "--images", 2, "-O", "size=64")
    assert [read_record(tmp_path / f"n-{i}.png")["seed"] for i in (1, 2)] == [0, 1]
    assert not same_pixels(tmp_path / "n-1.png", tmp_path / "n-2.png")


def test_a_difference_of_two_files_names_both(tclip, sounds, tmp_path):
    out = tmp_path / "d.png"
    tclip("vis", "difference", sounds["dull"], sounds["buzz"], "-o", out)
    record = read_record(out)
    assert record["source"] == {"dry": "dull.wav", "wet": "buzz.wav"}
    weights = dict(zip(record["keywords"], record["weights"], strict=True))
    assert record["change"] and weights["bright"] > weights["dark"]
    back = tmp_path / "e.png"
    tclip("vis", "difference", sounds["buzz"], sounds["dull"], "-o", back)
    weights = dict(zip(record["keywords"], read_record(back)["weights"], strict=True))
    assert weights["bright"] < weights["dark"]


def test_keywords_come_from_sets_files_and_the_command_line(tclip, sounds, tmp_path):
    words = tmp_path / "mine.txt"
    words.write_text("velvet  # soft\n\n# nothing\nsteel\n")
    done = tclip("vis", "weights", sounds["dull"], "--keywords", words, "-k", "fog", "--json")
    assert set(json.loads(done.stdout)["weights"]) == {"velvet", "steel", "fog"}
    assert len(tclip("vis", "keywords", "instruments").stdout.split("\n")) == 27 + 1
    listed = json.loads(tclip("vis", "keywords", "--json").stdout)
    sizes = {name: len(words) for name, words in listed["keywords"].items()}
    assert (sizes["instruments"], sizes["adjectives"]) == (27, 12)
    paper = "A 3d render of a {keyword}, trending pinterest aesthetic"
    assert listed["templates"]["paper-instruments"] == paper


def test_backends_are_listed_with_their_options(tclip):
    rows = {row["name"]: row for row in json.loads(tclip("vis", "list", "--json").stdout)}
    assert rows["glyph"]["options"] == {"size": 512}


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["-k", "warm", "-k", "Warm"], 2, "twice"),
        (["--template", "a flower"], 2, "{keyword}"),
        (["--keywords", "instrument"], 2, "instruments"),
        (["-b", "glif"], 2, "glyph"),
        (["-O", "seize=3"], 2, "size"),
        (["-O", "size=tall"], 2, "not a valid integer"),
        (["-O", "size"], 2, "NAME=VALUE"),
        (["--temperature", "0"], 2, "temperature"),
        (["--temperature", "nan"], 2, "temperature"),
        (["--top-k", "0"], 2, "top_k"),
        (["--weighting", "raw", "--mixing", "slerp"], 2, "softmax"),
        (["-m", "nowhere"], 2, "small"),
    ],
)
def test_wrong_use_says_what_to_do_and_writes_nothing(
    tclip, sounds, tmp_path, options, code, message
):
    out = tmp_path / "out.png"
    done = tclip("vis", sounds["dull"], "-o", out, *options, code=code)
    assert message in done.stderr
    assert not list(tmp_path.iterdir())


def test_pictures_without_a_record_are_refused(tclip, tmp_path, sounds):
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "plain.svg").write_text("<svg/>")
    for name, message in (
        ("plain.png", "no record"),
        ("text.png", "no picture"),
        ("plain.svg", "no record"),
        ("missing.png", "no file"),
    ):
        assert message in tclip("vis", "show", tmp_path / name, code=1).stderr
    out = tmp_path / "out.gif"
    assert ".png or .svg" in tclip("vis", sounds["dull"], "-o", out, code=2).stderr


def test_another_model_draws_no_picture_of_this_one(tclip, sounds, tmp_path):
    from timbreclip_vis.record import save_png

    tclip("vis", sounds["dull"], "-o", tmp_path / "a.png", "-O", "size=32")
    record = {**read_record(tmp_path / "a.png"), "model": "small@another"}
    save_png(tmp_path / "b.png", Image.open(tmp_path / "a.png"), record)
    done = tclip("vis", "again", tmp_path / "b.png", "-o", tmp_path / "c.png", code=2)
    assert "small@another" in done.stderr and "--model" in done.stderr
