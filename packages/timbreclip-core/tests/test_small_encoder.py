import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from timbreclip_core.checkpoints import write_checkpoint
from timbreclip_core.encoders.mel import FLOOR_DB, mel_centres_hz, mel_filters, relative_db
from timbreclip_core.encoders.small import SmallEncoder, SmallEnsemble, SmallShape, load
from timbreclip_core.errors import CheckpointError

torch.set_num_threads(1)
SPACES = {"text": "here/text", "timbre": "here/timbre"}
NARROW = SmallShape(widths=(8, 8, 16, 16), hidden=32, dim=16)


def narrow():
    torch.manual_seed(0)
    return SmallEncoder(NARROW, SPACES).freeze()


def tone(hz, seconds=4.0, level=0.5):
    t = torch.arange(int(seconds * 32_000)) / 32_000
    return level * torch.sin(2 * math.pi * hz * t)


def test_mel_filters_are_those_of_torchaudio():
    from torchaudio.functional import melscale_fbanks

    theirs = melscale_fbanks(1_025, 30.0, 16_000.0, 96, 32_000, norm=None, mel_scale="htk").T
    assert torch.allclose(mel_filters(96), theirs, atol=2e-5)


def test_every_mel_band_has_bins():
    assert int((mel_filters(96) > 0).sum(1).min()) >= 3


def test_the_spectrogram_has_200_frames_for_four_seconds():
    assert narrow().spectrogram(torch.zeros(2, 128_000)).shape == (2, 1_025, 200)


@pytest.mark.parametrize("hz", [100.0, 1_000.0, 7_000.0, 15_000.0])
def test_a_tone_is_loudest_in_the_band_around_it(hz):
    encoder = narrow()
    bands = (encoder.mel @ encoder.spectrogram(tone(hz)[None]))[0].sum(1)
    assert abs(math.log2(float(mel_centres_hz(96)[bands.argmax()]) / hz)) < 0.25
    bins = encoder.spectrogram(tone(hz)[None])[0].sum(1)
    assert abs(float(encoder.freqs_hz[bins.argmax()]) - hz) < 16.0


def test_white_noise_has_the_power_that_parseval_says():
    # Sum over all bins of |STFT|^2 = FFT size x energy under the squared window.
    x = torch.randn(1, 128_000, generator=torch.Generator().manual_seed(0))
    power = narrow().spectrogram(x)[0, :, 5:-5]
    both_sides = power[0] + power[-1] + 2 * power[1:-1].sum(0)
    window = torch.hann_window(2_048).square().sum()
    assert float(both_sides.mean() / (2_048 * window)) == pytest.approx(1.0, rel=0.02)


def test_decibels_do_not_know_the_level():
    power = torch.rand(2, 96, 50) + 1e-3
    assert torch.allclose(relative_db(power), relative_db(1e-7 * power), atol=1e-3)


def test_decibels_lie_between_the_floor_and_zero():
    db = relative_db(10 ** (-20 * torch.rand(3, 96, 50)))
    assert float(db.max()) == pytest.approx(0.0, abs=1e-4)
    assert float(db.min()) >= FLOOR_DB - 1e-3


def test_silence_is_at_the_floor_throughout():
    assert torch.allclose(relative_db(torch.zeros(1, 96, 4)), torch.tensor(FLOOR_DB), atol=1e-3)


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from(["silence", "offset", "impulse", "noise", "denormal", "huge"]),
    st.integers(1, 128_000),
)
def test_any_input_gives_finite_unit_vectors_and_gradients(what, samples):
    made = {
        "silence": torch.zeros(samples),
        "offset": torch.ones(samples),
        "impulse": torch.eye(1, samples)[0],
        "noise": torch.randn(samples),
        "denormal": torch.full((samples,), 1e-40),
        "huge": 1e6 * torch.randn(samples),
    }
    x = made[what][None].requires_grad_(True)
    vectors = narrow()(x)
    for kind, vector in vectors.items():
        assert torch.isfinite(vector).all(), kind
        assert float(vector.detach().norm()) == pytest.approx(1.0, abs=1e-5)
    sum(v[:, 0].sum() for v in vectors.values()).backward()
    assert torch.isfinite(x.grad).all()


def test_gradients_reach_the_waveform():
    x = tone(220.0)[None].requires_grad_(True)
    narrow()(x)["text"][0, 0].backward()
    assert float(x.grad.abs().sum()) > 0


def test_from_power_is_what_forward_does():
    encoder, x = narrow(), torch.randn(2, 128_000)
    # Training comes in by the spectrogram, inference row by row: the order of sums differs.
    for kind, vector in encoder(x).items():
        again = encoder.from_power(encoder.spectrogram(x))[kind]
        torch.testing.assert_close(vector, again, rtol=0, atol=2e-6)


def test_a_vector_does_not_depend_on_whether_a_gradient_is_wanted():
    encoder, x = narrow(), torch.randn(2, 128_000)
    wanted = encoder(x.clone().requires_grad_(True))
    for kind, vector in encoder(x).items():
        torch.testing.assert_close(vector, wanted[kind].detach(), rtol=0, atol=2e-6)


def test_a_batch_gives_the_rows_that_each_sound_gives_alone():
    encoder, x = narrow(), torch.randn(3, 128_000)
    with torch.no_grad():
        whole = encoder(x)["text"]
        alone = torch.cat([encoder(row[None])["text"] for row in x])
    torch.testing.assert_close(whole, alone, rtol=0, atol=2e-6)


def test_an_item_does_not_know_its_neighbours():
    encoder = narrow()
    batch = torch.stack([torch.zeros(128_000), tone(300.0), 100 * torch.randn(128_000)])
    alone = encoder(batch[1:2])
    for kind, vectors in encoder(batch).items():
        assert float((vectors[1:2] - alone[kind]).abs().max()) < 1e-5


def test_the_bundled_encoder_hears_an_8_khz_copy_nearly_the_same(small, note):
    x = torch.as_tensor(note(220, 32_000, highest_hz=3_500.0))[None, None]
    power = small.encoder.spectrogram(torch.nn.functional.pad(x[0], (0, 128_000 - x.shape[-1])))
    limited = power * (small.encoder.freqs_hz < 4_000)[None, :, None]
    for kind, vector in small.encoder.from_power(power).items():
        assert float((vector * small.encoder.from_power(limited)[kind]).sum()) > 0.98


def test_the_bundled_encoder_has_one_to_five_million_parameters(small):
    assert 1e6 < sum(p.numel() for p in small.encoder.parameters()) < 5e6


def test_the_sizes_of_the_bundled_vectors_are_512_and_1024(small):
    vectors = small.encoder(tone(440.0)[None])
    assert {kind: v.shape[1] for kind, v in vectors.items()} == {"text": 512, "timbre": 1_024}


def write(folder, encoder, **changes):
    options = {
        "name": "small",
        "file": "audio.safetensors",
        "spaces": encoder.spaces,
        "shape": {**vars(encoder.shape), "widths": list(encoder.shape.widths)},
        **changes,
    }
    config = {"name": "x", "licence": "none", "encoder": options, "space": None}
    halves = {k: v.half() if v.ndim > 1 else v for k, v in encoder.state_dict().items()}
    write_checkpoint(folder, config, {"audio.safetensors": halves})


def test_a_saved_encoder_loads_frozen_and_in_float32(tmp_path):
    encoder = narrow()
    write(tmp_path / "m", encoder)
    again = load(tmp_path / "m")
    assert {p.dtype for p in again.parameters()} == {torch.float32}
    assert not again.training and not any(p.requires_grad for p in again.parameters())
    assert again.spaces == SPACES
    x = torch.randn(1, 128_000)
    assert float((again(x)["text"] * encoder(x)["text"]).sum()) > 0.9999


def two():
    networks = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        networks.append(SmallEncoder(NARROW, SPACES).freeze())
    return networks


def test_a_cosine_of_an_ensemble_is_the_mean_of_its_networks():
    networks, x = two(), torch.randn(2, 128_000)
    both = SmallEnsemble(networks, SPACES).freeze()(x)
    for kind, vectors in both.items():
        alone = [network(x)[kind] for network in networks]
        expected = sum(float(v[0] @ v[1]) for v in alone) / 2
        assert vectors.shape[1] == sum(v.shape[1] for v in alone)
        assert float(vectors[0] @ vectors[1]) == pytest.approx(expected, abs=1e-5)
        assert float(vectors[0].norm()) == pytest.approx(1, abs=1e-5)


def test_networks_of_a_folder_become_an_ensemble(tmp_path):
    networks, x = two(), torch.randn(2, 128_000)
    shape = {**vars(NARROW), "widths": list(NARROW.widths)}
    files = [f"{n}.safetensors" for n in range(2)]
    told = [{"file": file, "shape": shape} for file in files]
    options = {"name": "small", "networks": told, "spaces": SPACES}
    config = {"name": "x", "licence": "none", "encoder": options, "space": None}
    states = {f: n.state_dict() for f, n in zip(files, networks, strict=True)}
    write_checkpoint(tmp_path / "m", config, states)
    again, expected = load(tmp_path / "m"), SmallEnsemble(networks, SPACES)(x)
    assert again.name == "small" and not again.training
    for kind, vectors in again(x).items():
        torch.testing.assert_close(vectors, expected[kind].detach(), rtol=0, atol=1e-6)


def test_weights_of_other_sizes_are_refused(tmp_path):
    write(tmp_path / "m", narrow(), shape={**vars(NARROW), "widths": [8, 8, 16, 24]})
    with pytest.raises(CheckpointError, match="no audio side"):
        load(tmp_path / "m")


def test_a_folder_without_networks_or_with_two_front_ends_is_refused(tmp_path):
    encoder = narrow()
    write(tmp_path / "none", encoder, networks=[])
    told = [{"file": "audio.safetensors", "shape": {**vars(NARROW), "bands": b}} for b in (96, 64)]
    write(tmp_path / "two", encoder, networks=told)
    for name in ("none", "two"):
        with pytest.raises(CheckpointError, match="no audio side"):
            load(tmp_path / name)


def test_a_config_without_sizes_is_refused(tmp_path):
    write(tmp_path / "m", narrow())
    path = tmp_path / "m" / "config.json"
    config = json.loads(path.read_text())
    del config["encoder"]["shape"]
    path.write_text(json.dumps(config))
    with pytest.raises(CheckpointError):
        load(tmp_path / "m")
