import json
import socket
import sys
import warnings
from pathlib import Path

import pytest
import torch

open_clip = pytest.importorskip("open_clip")

from click.testing import CliRunner  # noqa: E402
from huggingface_hub import constants as hub  # noqa: E402
from PIL import Image  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from timbreclip_core.checkpoints import open_checkpoint  # noqa: E402
from timbreclip_core.cli.main import cli  # noqa: E402
from timbreclip_core.errors import (  # noqa: E402
    CheckpointError,
    InputError,
    MissingExtraError,
    MissingWeightsError,
    UnknownNameError,
    UsageError,
)
from timbreclip_core.files import sha256  # noqa: E402
from timbreclip_core.model import load_model, load_space  # noqa: E402
from timbreclip_core.spaces.clip import (  # noqa: E402
    VIT_B_32,
    WEIGHTS,
    ClipSpec,
    LongTextWarning,
    install,
    load,
)

ARCH = "timbreclip-test-clip"  # the real towers, some hundred times narrower
SHAPE = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}
TEXTS = ["a warm pad", "bright", "the sound of a plucked string in a large hall"]
CLOSE = 1e-6


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError(f"the network was asked for: {args}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(autouse=True)
def models_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TCLIP_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture(scope="module", autouse=True)
def architecture(tmp_path_factory):
    path = tmp_path_factory.mktemp("arch") / f"{ARCH}.json"
    path.write_text(json.dumps(SHAPE))
    open_clip.add_model_config(path)


@pytest.fixture(scope="module")
def theirs(architecture):
    torch.manual_seed(0)
    return open_clip.create_model(ARCH).eval()


@pytest.fixture(scope="module")
def file(theirs, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "clip.safetensors"
    save_file(theirs.state_dict(), path)
    return path


@pytest.fixture
def spec():
    return ClipSpec(name="open-clip", arch=ARCH)


@pytest.fixture
def tagged(monkeypatch):
    """A tag of published weights of the small architecture, with its own settings."""
    published = {
        "hf_hub": "someone/some-clip/",
        "url": "",
        "mean": (0.5, 0.5, 0.5),
        "std": (0.5, 0.5, 0.5),
        "interpolation": "bicubic",
        "resize_mode": "squash",
        "quick_gelu": True,
    }
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, ARCH, {"first_run": published})
    return f"open-clip:{ARCH}@first_run"


def pictures():
    torch.manual_seed(1)
    for mode, size in (("RGB", (32, 32)), ("RGB", (100, 61)), ("L", (40, 90)), ("RGBA", (64, 64))):
        bands = len(mode)
        pixels = torch.randint(0, 256, (size[1], size[0], bands), dtype=torch.uint8).numpy()
        yield Image.fromarray(pixels[..., 0] if mode == "L" else pixels, mode)


def their_texts(model, texts=TEXTS):
    with torch.no_grad():
        return model.encode_text(open_clip.get_tokenizer(ARCH)(texts), normalize=True)


def their_images(model, images, **settings):
    _, _, prepare = open_clip.create_model_and_transforms(ARCH, load_weights=False, **settings)
    with torch.no_grad():
        return model.encode_image(torch.stack([prepare(i) for i in images]), normalize=True)


def near(ours, expected):
    return (ours.plain() - expected).abs().max() < CLOSE


def test_texts_and_pictures_have_the_vectors_of_open_clip(file, theirs, spec):
    space = load(file, spec=spec)
    images = list(pictures())
    assert near(space.embed_text(TEXTS), their_texts(theirs))
    assert near(space.embed_image(images), their_images(theirs, images))
    apart = their_texts(theirs).cov().abs().min(), their_images(theirs, images).std(0).max()
    assert min(apart) > 1000 * CLOSE


def test_one_text_and_one_picture_are_batches_of_one(file, spec):
    space = load(file, spec=spec)
    assert space.embed_text("bright").shape == (1, 16) == (1, space.dim)
    assert space.embed_image(next(pictures())).shape == (1, 16)
    assert space.can_see
    assert space.embed_text("bright").space == space.space_id


def test_many_texts_and_pictures_are_encoded_in_parts(file, theirs, spec, monkeypatch):
    monkeypatch.setattr("timbreclip_core.spaces.clip.TEXTS_AT_ONCE", 2)
    monkeypatch.setattr("timbreclip_core.spaces.clip.IMAGES_AT_ONCE", 3)
    space = load(file, spec=spec)
    assert near(space.embed_text(TEXTS), their_texts(theirs))
    assert near(space.embed_image(list(pictures())), their_images(theirs, list(pictures())))


def test_any_architecture_is_reached_by_name_and_file(file, theirs):
    space = load_space(f"open-clip:{ARCH}@{file}")
    assert space.space_id == f"open-clip/{ARCH}@sha256:{sha256(file)[:16]}"
    assert near(space.embed_text(TEXTS), their_texts(theirs))


def test_other_weights_are_another_space(file, theirs, tmp_path, spec):
    state = {k: v + 0.01 if v.is_floating_point() else v for k, v in theirs.state_dict().items()}
    save_file(state, tmp_path / "other.safetensors")
    assert (
        load(tmp_path / "other.safetensors", spec=spec).space_id != load(file, spec=spec).space_id
    )


@pytest.mark.parametrize("wrap", [False, True])
def test_a_pickle_of_tensors_is_as_good(theirs, tmp_path, spec, wrap):
    state = theirs.state_dict()
    state = (
        {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in state.items()}} if wrap else state
    )
    torch.save(state, tmp_path / "clip.pt")
    assert near(load(tmp_path / "clip.pt", spec=spec).embed_text(TEXTS), their_texts(theirs))


def test_an_installed_space_keeps_vectors_and_the_hash_of_the_file(file, theirs, tmp_path, spec):
    install(file, tmp_path / "clip", spec)
    checkpoint = open_checkpoint(tmp_path / "clip")
    assert checkpoint.config["source"] == {"file": file.name, "sha256": sha256(file)}
    space = load(tmp_path / "clip")
    assert space.space_id == load(file, spec=spec).space_id
    images = list(pictures())
    assert near(space.embed_text(TEXTS), their_texts(theirs))
    assert near(space.embed_image(images), their_images(theirs, images))


def test_the_fixed_space_loads_by_name(file, theirs, models_folder):
    fixed = ClipSpec(name="clip-vit-b-32", arch=ARCH, space_id="clip-vit-b-32")
    install(file, models_folder / "clip-vit-b-32", fixed)
    space = load_space("clip-vit-b-32")
    assert (space.name, space.space_id) == ("clip-vit-b-32", "clip-vit-b-32")
    assert near(space.embed_text(TEXTS), their_texts(theirs))


@pytest.mark.slow
def test_the_fixed_space_has_the_real_shape(tmp_path):
    model = open_clip.create_model("ViT-B-32-quickgelu").eval()
    save_file(model.state_dict(), tmp_path / "open_clip_model.safetensors")
    space = load_space("clip-vit-b-32", weights=tmp_path / "open_clip_model.safetensors")
    assert (space.space_id, space.dim) == (VIT_B_32.space_id, 512)
    assert near(space.embed_text(TEXTS), their_texts(model))
    with torch.no_grad():
        picture = (
            torch.zeros(1, 3, 224, 224) - torch.tensor(open_clip.OPENAI_DATASET_MEAN)[:, None, None]
        )
        picture /= torch.tensor(open_clip.OPENAI_DATASET_STD)[:, None, None]
        expected = model.encode_image(picture, normalize=True)
    assert near(space.embed_image(Image.new("RGB", (300, 200))), expected)


def test_a_folder_with_a_changed_byte_is_refused(file, tmp_path, spec):
    install(file, tmp_path / "clip", spec)
    data = bytearray((tmp_path / "clip" / WEIGHTS).read_bytes())
    data[-9] ^= 1
    (tmp_path / "clip" / WEIGHTS).write_bytes(data)
    with pytest.raises(CheckpointError, match="damaged"):
        load(tmp_path / "clip")


def test_a_tag_brings_its_own_settings(file, theirs, tagged, models_folder):
    result = CliRunner().invoke(cli, ["models", "install", tagged, str(file)])
    assert result.exit_code == 0, result.output
    space = load_space(tagged)
    assert space.space_id == f"open-clip/{ARCH}@first_run"
    assert space.name == tagged
    assert (models_folder / "open-clip" / f"{ARCH}@first_run" / "config.json").is_file()
    quick = open_clip.create_model(ARCH, force_quick_gelu=True).eval()
    quick.load_state_dict(theirs.state_dict())
    half = (0.5, 0.5, 0.5)
    settings = {"image_mean": half, "image_std": half, "image_resize_mode": "squash"}
    images = list(pictures())
    assert near(space.embed_text(TEXTS), their_texts(quick))
    assert near(space.embed_image(images), their_images(quick, images, **settings))
    assert not near(space.embed_text(TEXTS), their_texts(theirs))
    assert not near(space.embed_image(images), their_images(theirs, images))


def test_weights_in_the_hub_cache_are_used(file, tagged, tmp_path, monkeypatch):
    with pytest.raises(MissingWeightsError, match="--download"):
        load_space(tagged)
    repository = tmp_path / "hub" / "models--someone--some-clip"
    snapshot = repository / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    (snapshot / "open_clip_model.safetensors").write_bytes(file.read_bytes())
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path / "hub"))
    assert load_space(tagged).space_id == f"open-clip/{ARCH}@first_run"


def test_openais_b_32_is_the_fixed_space_under_every_name(monkeypatch):
    from timbreclip_core.spaces.clip import choose

    for arch in ("ViT-B-32", "ViT-B-32-quickgelu"):
        chosen = choose(f"{arch}@openai").load.keywords["spec"]
        assert chosen.space_id == "clip-vit-b-32"
        assert chosen.quick_gelu
    other = choose("ViT-B-32@laion2b_s34b_b79k").load.keywords["spec"]
    assert other.space_id == "open-clip/ViT-B-32@laion2b_s34b_b79k"
    assert not other.quick_gelu


def test_settings_beside_a_copied_hub_file_are_used(file, theirs, tmp_path):
    copy = tmp_path / "open_clip_model.safetensors"
    copy.write_bytes(file.read_bytes())
    settings = {"preprocess_cfg": {"mean": [0.1, 0.2, 0.3], "std": [1, 1, 1]}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(settings))
    space = load_space(f"open-clip:{ARCH}@{copy}")
    assert space.model.visual.preprocess_cfg["mean"] == [0.1, 0.2, 0.3]


def test_a_text_beyond_the_context_warns_and_one_within_does_not(file, spec):
    space = load(file, spec=spec)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        space.embed_text(["word " * 75, "short"])
    with pytest.warns(LongTextWarning, match="77 tokens"):
        long = space.embed_text("word " * 76)
    assert torch.isfinite(long.plain()).all()


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("open-clip", UsageError, "ARCH@TAG_OR_FILE"),
        ("open-clip:", UsageError, "ARCH@TAG"),
        ("open-clip:ViT-B-32", UsageError, "ARCH@TAG"),
        ("open-clip:ViT-B-33@openai", UnknownNameError, "ViT-B-32"),
        ("open-clip:ViT-B-32@laion2b", UnknownNameError, "laion2b_s34b_b79k"),
        ("open-clip:ViT-B-32@laion2b_s34b_b79k", MissingWeightsError, "--download"),
        ("clip-vit-b-32", MissingWeightsError, "tclip models install clip-vit-b-32 --download"),
        ("clip-vit-b-32:openai", UnknownNameError, "open-clip"),
    ],
)
def test_a_name_that_leads_nowhere_says_what_to_do(name, error, said, monkeypatch, tmp_path):
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(error, match=said):
        load_space(name)


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path, spec):
    with pytest.raises(InputError, match="no file"):
        load(tmp_path / "clip.safetensors", spec=spec)


def test_weights_of_another_architecture_are_refused(file, tmp_path):
    with pytest.raises(CheckpointError, match="ViT-S-32-alt"):
        load_space(f"open-clip:ViT-S-32-alt@{file}")
    install(file, tmp_path / "clip", ClipSpec(name="open-clip", arch=ARCH))
    with pytest.raises(CheckpointError, match=f"{ARCH}, not of ViT-S-32-alt"):
        load_space(f"open-clip:ViT-S-32-alt@{tmp_path / 'clip'}")


def test_missing_and_unknown_tensors_are_refused_and_named(theirs, tmp_path, spec):
    state = theirs.state_dict()
    del state["text_projection"]
    save_file(state, tmp_path / "clip.safetensors")
    with pytest.raises(CheckpointError, match="text_projection"):
        install(tmp_path / "clip.safetensors", tmp_path / "out", spec)
    assert not (tmp_path / "out").exists()


def test_a_cut_file_is_refused(file, tmp_path, spec):
    (tmp_path / "clip.safetensors").write_bytes(file.read_bytes()[:5_000])
    with pytest.raises(CheckpointError, match=ARCH):
        load(tmp_path / "clip.safetensors", spec=spec)


def test_a_pickle_that_runs_code_is_refused_and_not_run(tmp_path, spec):
    marker = tmp_path / "ran"

    class Trap:
        def __reduce__(self):
            return Path.touch, (marker,)

    torch.save({"text_projection": Trap()}, tmp_path / "clip.pt")
    with pytest.raises(CheckpointError):
        load(tmp_path / "clip.pt", spec=spec)
    assert not marker.exists()


def test_a_text_tower_of_the_hub_that_is_not_here_names_the_command(file, monkeypatch, tmp_path):
    pytest.importorskip("transformers")
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path))
    before = hub.HF_HUB_OFFLINE
    with pytest.raises(MissingWeightsError, match="hf download roberta-base"):
        load_space(f"open-clip:roberta-ViT-B-32@{file}")
    assert before == hub.HF_HUB_OFFLINE


def test_a_space_alone_is_no_model(file, tmp_path, spec):
    install(file, tmp_path / "clip", spec)
    with pytest.raises(UsageError, match="without an audio encoder"):
        load_model(tmp_path / "clip")


def test_without_open_clip_the_extra_is_named(file, spec, monkeypatch):
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(MissingExtraError, match=r"timbreclip-core\[clip\]"):
        load(file, spec=spec)


def test_listing_models_says_how_to_choose_and_needs_no_open_clip(monkeypatch):
    monkeypatch.setitem(sys.modules, "open_clip", None)
    result = CliRunner().invoke(cli, ["models"])
    assert result.exit_code == 0, result.output
    assert "tclip models install open-clip:ARCH@TAG_OR_FILE FILE" in result.output
    refused = CliRunner().invoke(cli, ["models", "install", "open-clip", "--download"])
    assert refused.exit_code == 2
