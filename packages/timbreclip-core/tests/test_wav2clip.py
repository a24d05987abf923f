import json
from pathlib import Path

import numpy as np
import pytest
import torch

from timbreclip_core.checkpoints import open_checkpoint
from timbreclip_core.encoders.wav2clip import (
    SAMPLE_RATE,
    SPACES,
    WEIGHTS,
    Wav2Clip,
    install,
    load,
    standardised_log,
)
from timbreclip_core.errors import CheckpointError, SpaceMismatchError
from timbreclip_core.files import sha256
from timbreclip_core.model import load_model

CLOSE = 1e-5


def random_state(seed=0):
    """Tensors under the published names, with batch statistics of sounds, as after training."""
    torch.manual_seed(seed)
    encoder = Wav2Clip()
    for layer in encoder.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(layer.weight, 0.5, 1.5)
            torch.nn.init.normal_(layer.bias, 0, 0.3)
            layer.momentum = 0.9
    with torch.no_grad():
        encoder.train()(torch.stack([sound(16_000, seed) for seed in range(8)]))
    state = encoder.state_dict()
    state["audio_encoder.spectrogram.window"] = torch.hann_window(512)
    state["image_transform.sequential.0.weight"] = torch.randn(512, 512)
    return state


@pytest.fixture(scope="module")
def state():
    return random_state()


@pytest.fixture(scope="module")
def published(state, tmp_path_factory):
    path = tmp_path_factory.mktemp("published") / "Wav2CLIP.pt"
    torch.save(state, path)
    return path


@pytest.fixture(scope="module")
def folder(published, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "wav2clip"
    install(published, path)
    return path


@pytest.fixture(scope="module")
def encoder(published):
    return load(published)


@pytest.fixture(scope="module")
def model(published):
    return load_model("wav2clip", weights=published)


def sound(samples, seed=0, level=0.3):
    """A decaying chord with noise, float32, as unlike silence and as unlike noise as music is."""
    rng = np.random.default_rng(seed)
    t = np.arange(samples) / SAMPLE_RATE
    pitches = rng.uniform(60, 4_000, 5)
    tones = sum(np.sin(2 * np.pi * f * t + rng.uniform(0, 6)) for f in pitches)
    audio = tones * np.exp(-t * rng.uniform(0.5, 5)) + 0.05 * rng.standard_normal(samples)
    return torch.from_numpy((level * audio / np.abs(audio).max()).astype(np.float32))


@pytest.mark.reference
@pytest.mark.parametrize("samples", [257, 352, 353, 1_000, 16_000, 64_000, 64_123, 160_000])
def test_a_single_clip_has_the_vector_of_the_reference(published, encoder, samples):
    wav2clip = pytest.importorskip("wav2clip")
    from wav2clip.model.encoder import ResNetExtractor

    checkpoint = torch.load(published, weights_only=True)
    reference = ResNetExtractor(checkpoint=checkpoint, scenario="frozen", transform=True)
    audio = sound(samples, seed=samples)
    theirs = torch.from_numpy(wav2clip.embed_audio(audio.numpy(), reference))[0]
    with torch.no_grad():
        ours = encoder(audio[None])["text"][0]
        pooled = reference.encoder(audio[None])[0]
        timbre = encoder(audio[None])["timbre"][0]
    assert (ours - theirs / theirs.norm()).abs().max() < CLOSE
    assert (timbre - pooled / pooled.norm()).abs().max() < CLOSE
    other = torch.from_numpy(wav2clip.embed_audio(sound(samples, seed=1).numpy(), reference))[0]
    assert (other / other.norm() - theirs / theirs.norm()).abs().max() > 100 * CLOSE


@pytest.mark.reference
def test_the_embedding_api_keeps_the_vector_of_the_reference(published, model):
    wav2clip = pytest.importorskip("wav2clip")
    from wav2clip.model.encoder import ResNetExtractor

    checkpoint = torch.load(published, weights_only=True)
    reference = ResNetExtractor(checkpoint=checkpoint, scenario="frozen", transform=True)
    audio = sound(64_000)
    theirs = torch.from_numpy(wav2clip.embed_audio(audio.numpy(), reference))
    ours = model.embed_audio(audio, sample_rate=SAMPLE_RATE).plain()
    assert (ours - theirs / theirs.norm()).abs().max() < CLOSE


def test_vectors_are_of_two_kinds_of_512_numbers_and_length_one(encoder):
    with torch.no_grad():
        vectors = encoder(torch.stack([sound(16_000), sound(16_000, 1), sound(16_000, 2)]))
    assert set(vectors) == {"text", "timbre"} == set(encoder.spaces)
    for v in vectors.values():
        assert v.shape == (3, 512)
        assert torch.allclose(v.norm(dim=1), torch.ones(3), atol=1e-5)


def test_words_meet_clip_and_timbre_meets_itself(model):
    vectors = model.embed_audio_kinds(sound(16_000), sample_rate=SAMPLE_RATE)
    assert vectors["text"].space == "clip-vit-b-32"
    assert vectors["timbre"].space == "wav2clip/pooled"
    with pytest.raises(SpaceMismatchError):
        model.similarity(vectors["text"], vectors["timbre"])


def test_the_spectrogram_is_the_power_at_its_frequencies(encoder):
    t = torch.arange(SAMPLE_RATE) / SAMPLE_RATE
    power = encoder.spectrogram(torch.sin(2 * torch.pi * 1_000 * t)[None])
    assert power.shape == (1, 257, 1 + SAMPLE_RATE // 353)
    assert encoder.freqs_hz[power[0, :, 20].argmax()] == 1_000
    # A sine of amplitude 1 under a Hann window of 512: (512 / 4) squared at its bin.
    assert power[0, :, 20].max() == pytest.approx(128**2, rel=1e-3)


def test_a_vector_does_not_know_its_neighbours(model):
    audio = sound(64_000)
    alone = model.embed_audio_kinds(audio, sample_rate=SAMPLE_RATE)
    neighbours = [sound(64_000, 1, level=1.0) * 30, audio, sound(64_000, 2, level=1e-4)]
    neighbours.append(torch.zeros(64_000).index_fill(0, torch.tensor([9]), 2e-5))
    batch = model.embed_audio_kinds(torch.stack(neighbours)[:, None], sample_rate=SAMPLE_RATE)
    for kind, vector in alone.items():
        assert (batch[kind][1] - vector[0]).plain().abs().max() < CLOSE
        assert (batch[kind][0] - vector[0]).plain().abs().max() > CLOSE


def test_stereo_of_two_equal_channels_is_mono(model):
    audio = sound(48_000)
    mono = model.embed_audio(audio, sample_rate=SAMPLE_RATE)
    stereo = model.embed_audio(torch.stack([audio, audio]), sample_rate=SAMPLE_RATE)
    assert stereo.shape == (1, 512)
    assert (stereo - mono).plain().abs().max() < CLOSE


@pytest.mark.parametrize("samples", [1, 100, 256, 257])
def test_audio_shorter_than_a_frame_is_padded(model, samples):
    vector = model.embed_audio(sound(samples), sample_rate=SAMPLE_RATE)
    padded = torch.nn.functional.pad(sound(samples), (0, 257 - samples))
    assert torch.isfinite(vector.plain()).all()
    assert torch.equal(vector, model.embed_audio(padded, sample_rate=SAMPLE_RATE))


def test_long_audio_is_the_mean_of_ten_second_windows_weighted_by_energy(model, encoder):
    audio = torch.cat([sound(80_000, 1), sound(80_000, 2, level=0.02), sound(40_000, 3)])
    windows = [audio[:160_000], torch.nn.functional.pad(audio[80_000:], (0, 40_000))]
    with torch.no_grad():
        parts = [encoder(w[None])["text"][0] * w.square().mean() for w in windows]
    expected = sum(parts) / sum(parts).norm()
    vector = model.embed_audio(audio, sample_rate=SAMPLE_RATE)[0].plain()
    assert (vector - expected).abs().max() < CLOSE


def test_silence_gives_numbers_and_finite_gradients(encoder):
    audio = torch.stack([torch.zeros(16_000), sound(16_000)]).requires_grad_()
    vectors = encoder(audio)
    sum(v[:, :7].sum() for v in vectors.values()).backward()
    assert all(torch.isfinite(v).all() for v in vectors.values())
    assert torch.isfinite(audio.grad).all()
    assert audio.grad[1].abs().max() > 0


def test_the_spectrogram_of_silence_is_zero_when_standardised():
    power = torch.zeros(2, 257, 10)
    power[1] = torch.rand(257, 10)
    standard = standardised_log(power)
    assert torch.equal(standard[0], torch.zeros(257, 10))
    assert standard[1].mean() == pytest.approx(0, abs=1e-5)
    assert standard[1].std() == pytest.approx(1, abs=1e-4)


def test_gradients_reach_the_samples_and_lower_a_loss(model):
    audio = sound(16_000)[None, None].clone().requires_grad_()
    target = model.embed_audio(sound(16_000, 5), sample_rate=SAMPLE_RATE)
    loss = -(model.embed_audio(audio, sample_rate=SAMPLE_RATE) * target).sum()
    (grad,) = torch.autograd.grad(loss, audio)
    assert torch.isfinite(grad).all()
    moved = audio - 1e-4 * grad / grad.abs().max()
    after = -(model.embed_audio(moved, sample_rate=SAMPLE_RATE) * target).sum()
    assert after < loss


def test_a_filter_on_the_power_is_a_filter_on_the_sound(encoder):
    audio = sound(16_000)[None]
    power = encoder.spectrogram(audio)
    with torch.no_grad():
        doubled = encoder.from_power(4 * power)["text"]
        assert (doubled - encoder(2 * audio)["text"]).abs().max() < CLOSE


def test_a_loaded_encoder_is_frozen(encoder):
    assert not encoder.training
    assert not any(p.requires_grad for p in encoder.parameters())


def test_installing_keeps_the_tensors_and_the_hash_of_the_file(published, folder, encoder):
    config = json.loads((folder / "config.json").read_text())
    assert config["source"] == {"file": "Wav2CLIP.pt", "sha256": sha256(published)}
    assert config["licence"] == "MIT"
    loaded = load(folder)
    audio = sound(20_000)[None]
    with torch.no_grad():
        for kind, vector in encoder(audio).items():
            assert torch.equal(loaded(audio)[kind], vector)
    assert loaded.spaces == SPACES
    assert not any(name.startswith("image") for name in open_checkpoint(folder).tensors(WEIGHTS))


def test_an_installed_model_loads_by_name(folder, monkeypatch):
    monkeypatch.setenv("TCLIP_MODELS", str(folder.parent))
    by_name = load_model("wav2clip")
    assert by_name.id == load_model(folder).id
    assert by_name.id.startswith("wav2clip@")


def test_weights_trained_further_name_their_own_spaces(folder, tmp_path):
    copy = copied(folder, tmp_path)
    config = json.loads((copy / "config.json").read_text())
    config["encoder"]["spaces"] = {"text": "clip-vit-b-32", "timbre": "mine/pooled"}
    (copy / "config.json").write_text(json.dumps(config))
    assert load(copy).spaces["timbre"] == "mine/pooled"


def test_a_folder_with_a_changed_byte_is_refused(folder, tmp_path):
    copy = copied(folder, tmp_path)
    data = bytearray((copy / WEIGHTS).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / WEIGHTS).write_bytes(data)
    with pytest.raises(CheckpointError, match="damaged"):
        load(copy)


def test_the_folder_of_another_encoder_is_refused(folder, tmp_path):
    copy = copied(folder, tmp_path)
    config = json.loads((copy / "config.json").read_text())
    config["encoder"]["name"] = "small"
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="'small'"):
        load(copy)


def test_a_cut_file_is_refused(published, tmp_path):
    path = tmp_path / "Wav2CLIP.pt"
    path.write_bytes(published.read_bytes()[:1_000_000])
    with pytest.raises(CheckpointError, match="damaged"):
        load(path)


def test_a_page_saved_in_place_of_the_file_is_refused(tmp_path):
    path = tmp_path / "Wav2CLIP.pt"
    path.write_text("<html>404</html>")
    with pytest.raises(CheckpointError, match="damaged"):
        load(path)


def test_a_pickle_that_runs_code_is_refused_and_not_run(state, tmp_path):
    marker = tmp_path / "ran"

    class Trap:
        def __reduce__(self):
            return Path.touch, (marker,)

    torch.save({**state, "audio_encoder.extra": Trap()}, tmp_path / "Wav2CLIP.pt")
    with pytest.raises(CheckpointError):
        load(tmp_path / "Wav2CLIP.pt")
    assert not marker.exists()


def test_missing_and_unknown_tensors_are_named(state, tmp_path):
    wrong = dict(state)
    del wrong["audio_transform.sequential.3.bias"]
    wrong["audio_encoder.fc.weight"] = torch.zeros(2, 2)
    wrong["audio_encoder.conv1.weight"] = torch.zeros(64, 3, 7, 7)
    torch.save(wrong, tmp_path / "w.pt")
    with pytest.raises(CheckpointError) as caught:
        install(tmp_path / "w.pt", tmp_path / "out")
    message = str(caught.value)
    assert "lacks audio_transform.sequential.3.bias" in message
    assert "has besides audio_encoder.fc.weight" in message
    assert "in another shape audio_encoder.conv1.weight" in message
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_of_another_model_says_what_it_lacks(tmp_path):
    torch.save({"text_projection": torch.zeros(3)}, tmp_path / "w.pt")
    with pytest.raises(CheckpointError, match="and 121 more"):
        load(tmp_path / "w.pt")


def test_another_window_than_hann_is_refused(state, tmp_path):
    wrong = {**state, "audio_encoder.spectrogram.window": torch.hamming_window(512)}
    torch.save(wrong, tmp_path / "w.pt")
    with pytest.raises(CheckpointError, match="window"):
        load(tmp_path / "w.pt")


def copied(folder, tmp_path):
    copy = tmp_path / "wav2clip"
    copy.mkdir()
    for file in folder.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    return copy
