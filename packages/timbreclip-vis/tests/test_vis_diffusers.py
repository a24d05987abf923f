"""Mixed prompts through tiny random pipelines of the four families, loaded from folders."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
import pipelines

from timbreclip_core.errors import InputError, MissingExtraError, UsageError
from timbreclip_vis.entries import load_backend
from timbreclip_vis.mixing import mix
from timbreclip_vis.record import read_record

PROMPTS = ["a 3d render of a violin", "bell", "an abstract painting that feels icy"]
FAMILIES = list(pipelines.MAKERS)
SMALL = {"steps": 2, "width": 32, "height": 32}


def tokens(family):
    return {"tokens": pipelines.T5_TOKENS} if family in ("sd3", "flux") else {}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("pipelines")
    return {name: pipelines.save(name, root / name) for name in FAMILIES}


@pytest.fixture(scope="module")
def backends(folders):
    return {
        name: load_backend("diffusers", {"model": str(folder), **SMALL, **tokens(name)})
        for name, folder in folders.items()
    }


def plain(backend, family, prompt, seed, **more):
    """What the pipeline itself makes of a prompt."""
    length = {"max_sequence_length": pipelines.T5_TOKENS} if tokens(family) else {}
    made = backend.pipeline(
        prompt=prompt,
        num_inference_steps=2,
        width=32,
        height=32,
        generator=torch.Generator().manual_seed(seed),
        **length,
        **more,
    )
    return np.asarray(made.images[0])


def arrays(images):
    return [np.asarray(image) for image in images]


@pytest.mark.parametrize("family", FAMILIES)
def test_one_hot_weights_equal_plain_prompting_bit_for_bit(backends, family):
    backend = backends[family]
    mixed = mix(backend.encode(PROMPTS, None), torch.eye(3))
    for prompt, image in zip(PROMPTS, arrays(backend.render(mixed, seed=5)), strict=True):
        assert np.array_equal(image, plain(backend, family, prompt, seed=5))
        assert image.shape == (32, 32, 3) and image.std() > 5


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_equals_single_pictures(backends, folders, family):
    backend = backends[family]
    weights = torch.softmax(torch.randn(3, 3, generator=torch.Generator().manual_seed(1)), -1)
    mixed = mix(backend.encode(PROMPTS, None), weights)
    singles = [
        arrays(backend.render({k: v[i : i + 1] for k, v in mixed.items()}, seed=2))[0]
        for i in range(3)
    ]
    assert np.array_equal(singles, arrays(backend.render(mixed, seed=2)))
    assert not np.array_equal(singles[0], singles[1])

    options = {"model": str(folders[family]), **SMALL, **tokens(family), "batch": 3}
    wide = load_backend("diffusers", options)
    wide.encode(PROMPTS[:1], None)  # the empty negative prompt
    together = np.array(arrays(wide.render(mixed, seed=2)), dtype=int)
    assert np.abs(together - np.array(singles, dtype=int)).max() <= 1


@pytest.mark.parametrize("family", FAMILIES)
def test_shapes_are_those_that_the_family_takes(backends, family):
    encoded = backends[family].encode(PROMPTS, None)
    long = pipelines.CLIP_TOKENS
    width = pipelines.WIDTH
    wanted = {
        "sd": {"prompt_embeds": (3, long, width)},
        "sdxl": {
            "prompt_embeds": (3, long, 2 * width),
            "pooled_prompt_embeds": (3, width),
        },
        "sd3": {
            "prompt_embeds": (3, long + pipelines.T5_TOKENS, 2 * width),
            "pooled_prompt_embeds": (3, 2 * width),
        },
        "flux": {
            "prompt_embeds": (3, pipelines.T5_TOKENS, width),
            "pooled_prompt_embeds": (3, width),
        },
    }
    assert {k: tuple(v.shape) for k, v in encoded.items()} == wanted[family]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_negative_prompt_is_that_of_the_pipeline(backends, folders, family):
    guidance = {"true_guidance": 4.0} if family == "flux" else {"guidance": 6.0}
    options = {"model": str(folders[family]), **SMALL, **tokens(family), **guidance}
    backend = load_backend("diffusers", {**options, "negative": "blurry"})
    mixed = mix(backend.encode(PROMPTS, None), torch.eye(3)[:1])
    image = arrays(backend.render(mixed, seed=5))[0]
    scale = {"true_cfg_scale": 4.0} if family == "flux" else {"guidance_scale": 6.0}
    wanted = plain(backend, family, PROMPTS[0], seed=5, negative_prompt="blurry", **scale)
    assert np.array_equal(image, wanted)
    assert not np.array_equal(image, plain(backend, family, PROMPTS[0], seed=5, **scale))


def test_the_seed_decides_the_noise(backends):
    backend = backends["sd"]
    mixed = mix(backend.encode(PROMPTS, None), torch.eye(3)[:1])
    first, again, other = (arrays(backend.render(mixed, seed=s))[0] for s in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_halves_mix_and_stay_halves(folders):
    options = {"model": str(folders["sdxl"]), **SMALL, "precision": "bfloat16"}
    backend = load_backend("diffusers", options)
    encoded = backend.encode(PROMPTS, None)
    assert {v.dtype for v in encoded.values()} == {torch.bfloat16}
    mixed = mix(encoded, torch.full((1, 3), 1 / 3))
    assert {v.dtype for v in mixed.values()} == {torch.bfloat16}
    assert arrays(backend.render(mixed, seed=0))[0].std() > 5


def test_scheduler_and_memory_options_reach_the_pipeline(folders, backends):
    options = {"model": str(folders["sd"]), **SMALL, "scheduler": "EulerAncestralDiscreteScheduler"}
    backend = load_backend("diffusers", {**options, "slicing": "true", "tiling": "true"})
    assert type(backend.pipeline.scheduler).__name__ == "EulerAncestralDiscreteScheduler"
    assert backend.pipeline.vae.use_slicing and backend.pipeline.vae.use_tiling
    mixed = mix(backend.encode(PROMPTS, None), torch.eye(3)[:1])
    other = arrays(backends["sd"].render(mixed, seed=1))[0]
    assert not np.array_equal(arrays(backend.render(mixed, seed=1))[0], other)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, UsageError, "model=FOLDER"),
        ({"model": "/nowhere/pipeline"}, InputError, "/nowhere/pipeline"),
        ({"model": "nobody/nothing-at-all"}, InputError, "nobody/nothing-at-all"),
        ({"model": "HERE"}, InputError, "model_index.json"),
        ({"model": "SD", "scheduler": "Magic"}, UsageError, "Magic"),
        ({"model": "SD", "precision": "float8"}, UsageError, "bfloat16"),
        ({"model": "SD", "offload": "model"}, UsageError, "cuda"),
        ({"model": "SD", "batch": "0"}, UsageError, "batch"),
        ({"model": "SD", "guidance": "nan"}, UsageError, "finite"),
        ({"model": "FLUX", "negative": "blurry"}, UsageError, "true_guidance"),
    ],
)
def test_wrong_options_say_what_to_do(folders, tmp_path, options, error, message):
    places = {"HERE": tmp_path, "SD": folders["sd"], "FLUX": folders["flux"]}
    model = options.get("model")
    found = {**options, "model": str(places.get(model, model))} if model else options
    with pytest.raises(error, match=message):
        load_backend("diffusers", found)


def test_sizes_that_the_pipeline_cannot_make_are_refused(folders):
    options = {"model": str(folders["sd"]), "steps": 1, "width": 33, "height": 32}
    backend = load_backend("diffusers", options)
    mixed = mix(backend.encode(PROMPTS[:1], None), torch.ones(1, 1))
    with pytest.raises(UsageError, match="divisible by 8"):
        backend.render(mixed, seed=0)


def test_other_pipelines_are_refused_by_name(tmp_path):
    from diffusers import DDPMPipeline, DDPMScheduler

    DDPMPipeline(pipelines._unet(cross_attention_dim=8), DDPMScheduler()).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="FluxPipeline, not with DDPMPipeline"):
        load_backend("diffusers", {"model": str(tmp_path)})


def test_without_the_library_the_extra_is_named(folders, monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(MissingExtraError, match=r"timbreclip-vis\[diffusers\]"):
        load_backend("diffusers", {"model": str(folders["sd"])})


def test_the_command_line_draws_keeps_and_repeats(tclip, sounds, folders, tmp_path):
    out = tmp_path / "a.png"
    settings = [f"model={folders['sd']}", "steps=2", "width=32", "height=32"]
    options = [x for setting in settings for x in ("-O", setting)]
    command = ("vis", sounds["pluck"], "-b", "diffusers", *options, "-k", "harp", "-k", "oboe")
    tclip(*command, "-o", out)
    record = read_record(out)
    assert record["template"] == "A 3d render of a {keyword}, trending pinterest aesthetic"
    assert record["options"]["steps"] == 2 and sum(record["weights"]) == pytest.approx(1)
    assert json.loads(tclip(*command, "-o", out, "--json").stdout)["results"][0]["pictures"][0][
        "kept"
    ]
    tclip("vis", "again", out, "-o", tmp_path / "b.png")
    assert np.array_equal(np.asarray(Image.open(out)), np.asarray(Image.open(tmp_path / "b.png")))
    refused = tclip(*command, "-o", tmp_path / "a.svg", code=1)
    assert "no SVG" in refused.stderr and not (tmp_path / "a.svg").exists()
