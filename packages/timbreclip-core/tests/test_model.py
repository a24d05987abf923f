"""Same audio, same vector: with the bundled model."""

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from timbreclip_core import load_model
from timbreclip_core.checkpoints import write_checkpoint
from timbreclip_core.errors import (
    EmptyAudioError,
    InputError,
    SilentAudioError,
    SpaceMismatchError,
    UnknownNameError,
    UsageError,
)

KINDS = ("text", "timbre")


def cosine(a, b):
    return float(torch.nn.functional.cosine_similarity(torch.as_tensor(a), torch.as_tensor(b)))


def tensor(x):
    return torch.from_numpy(np.asarray(x))


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_are_unit_and_know_their_space(small, note, kind):
    vector = small.embed_audio(note(220, 44_100), sample_rate=44_100, kind=kind)
    assert vector.shape[0] == 1
    assert vector.space == small.encoder.spaces[kind]
    assert float(vector.norm()) == pytest.approx(1, abs=1e-5)


def test_the_faintest_click_that_is_heard_has_a_unit_vector(small, tmp_path):
    click = torch.zeros(128_000)
    click[40_000] = 1.1e-5
    soundfile.write(tmp_path / "click.wav", click.numpy(), 32_000, subtype="FLOAT")
    for vector in (small.embed_audio(click, sample_rate=32_000),
                   small.embed_file(tmp_path / "click.wav")):  # fmt: skip
        assert float(vector.norm()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_loud_and_quiet_neighbours_change_nothing(small, note, kind):
    x = tensor(note(220, 32_000))
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    batch = torch.stack([0.9 * noise, x, 1e-4 * x, torch.sin(torch.arange(len(x)) * 0.01)])
    alone = small.embed_audio(x, sample_rate=32_000, kind=kind)
    among = small.embed_audio(batch[:, None], sample_rate=32_000, kind=kind)[1:2]
    assert float((alone.plain() - among.plain()).abs().max()) < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_mono_and_doubled_stereo_are_the_same(small, note, kind):
    x = tensor(note(220, 44_100))
    mono = small.embed_audio(x, sample_rate=44_100, kind=kind)
    stereo = small.embed_audio(torch.stack([x, x]), sample_rate=44_100, kind=kind)
    assert float((mono.plain() - stereo.plain()).abs().max()) < 1e-5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rate", [16_000, 22_050, 48_000, 96_000, 192_000])
def test_the_sample_rate_changes_nothing(small, note, kind, rate):
    a = small.embed_audio(note(220, 44_100), sample_rate=44_100, kind=kind)
    b = small.embed_audio(note(220, rate), sample_rate=rate, kind=kind)
    assert cosine(a, b) > 0.99


@pytest.mark.parametrize("gain", [1e-3, 0.1, 2.0])
def test_the_level_changes_nothing(small, note, gain):
    x = note(220, 32_000)
    a, b = (small.embed_audio(y, sample_rate=32_000) for y in (x, gain * x))
    assert cosine(a, b) > 0.9999


@pytest.mark.parametrize("seconds", [0.2, 2.0, 9.3])
def test_file_and_array_give_the_same_vector(small, note, tmp_path, seconds):
    x = np.stack([note(220, 44_100, seconds), note(330, 44_100, seconds)])
    path = tmp_path / "x.wav"
    soundfile.write(path, x.T, 44_100, subtype="FLOAT")
    array = small.embed_audio(x, sample_rate=44_100)
    assert float((array.plain() - small.embed_file(path).plain()).abs().max()) < 1e-4


def test_long_audio_is_the_energy_weighted_mean_of_its_windows(small, note):
    x = tensor(note(220, 32_000, 4.0))
    quiet_tail = torch.cat([x, 1e-3 * torch.randn(len(x))])
    assert (
        cosine(
            small.embed_audio(x, sample_rate=32_000),
            small.embed_audio(quiet_tail, sample_rate=32_000),
        )
        > 0.97
    )


def test_silence_after_a_sound_changes_nothing_within_a_window(small, note):
    x = note(220, 32_000, 1.0)
    padded = np.concatenate([x, np.zeros(32_000, np.float32)])
    a, b = (small.embed_audio(y, sample_rate=32_000) for y in (x, padded))
    assert float((a.plain() - b.plain()).abs().max()) < 1e-5


def test_repeating_gives_the_same_bits(small, note):
    x = note(220, 44_100)
    a, b = (small.embed_audio(x, sample_rate=44_100) for _ in range(2))
    assert torch.equal(a.plain(), b.plain())


@settings(max_examples=25, deadline=None)
@given(
    rate=st.sampled_from([8_000, 11_025, 16_000, 32_000, 44_100, 48_000, 96_000, 192_000]),
    samples=st.integers(1, 20_000),
    channels=st.integers(1, 6),
    batch=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_any_audible_audio_has_finite_unit_vectors(small, rate, samples, channels, batch, seed):
    x = torch.randn(batch, channels, samples, generator=torch.Generator().manual_seed(seed))
    for vectors in small.embed_audio_kinds(x, sample_rate=rate).values():
        assert vectors.shape[0] == batch
        assert torch.allclose(vectors.plain().norm(dim=-1), torch.ones(batch), atol=1e-4)


@pytest.mark.parametrize("shape", [(8_000,), (1, 8_000), (1, 1, 8_000)])
def test_every_accepted_shape_means_the_same(small, note, shape):
    x = note(220, 32_000)[:8_000]
    plain = small.embed_audio(x, sample_rate=32_000)
    shaped = small.embed_audio(x.reshape(shape), sample_rate=32_000)
    assert torch.equal(plain.plain(), shaped.plain())


@pytest.mark.parametrize(
    ("audio", "error"),
    [
        (np.zeros(0, np.float32), EmptyAudioError),
        (np.zeros(8_000, np.float32), SilentAudioError),
        (np.full(8_000, np.nan, np.float32), InputError),
        (np.array([1.0, np.inf], np.float32), InputError),
        (np.zeros(8_000, np.int16), InputError),
        (np.ones((1, 1, 1, 8), np.float32), InputError),
        (np.ones((8_000, 2), np.float32), InputError),
        (np.float32(1), InputError),
    ],
)
def test_audio_without_a_timbre_is_a_clear_error(small, audio, error):
    with pytest.raises(error):
        small.embed_audio(audio, sample_rate=32_000)


def test_channels_that_cancel_are_silence(small, note):
    x = note(220, 32_000)
    with pytest.raises(SilentAudioError, match="mean of the channels"):
        small.embed_audio(np.stack([x, -x]), sample_rate=32_000)


def test_the_silent_item_of_a_batch_is_named(small, note):
    x = tensor(note(220, 32_000))
    with pytest.raises(SilentAudioError, match=r"\[1\]"):
        small.embed_audio(torch.stack([x, 0 * x])[:, None], sample_rate=32_000)


def test_a_constant_signal_gives_no_nan(small):
    vector = small.embed_audio(np.full(8_000, 0.5, np.float32), sample_rate=32_000)
    assert torch.isfinite(vector.plain()).all()


@pytest.mark.parametrize("rate", [0, -1, 44_100.5, 10_000_000])
def test_a_sample_rate_that_is_none_is_an_error(small, note, rate):
    with pytest.raises(InputError, match="sample_rate"):
        small.embed_audio(note(220, 32_000), sample_rate=rate)


def test_the_sample_rate_must_be_given(small, note):
    with pytest.raises(TypeError):
        small.embed_audio(note(220, 32_000))


@pytest.mark.parametrize("rate", [32_000, 44_100])
def test_gradients_flow_to_the_audio_and_not_to_the_weights(small, note, rate):
    x = tensor(note(220, rate)).requires_grad_()
    small.similarity(small.embed_audio(x, sample_rate=rate), "bright").sum().backward()
    assert torch.isfinite(x.grad).all()
    assert float(x.grad.abs().max()) > 0
    assert all(p.grad is None for p in small.encoder.parameters())


def test_the_vector_with_a_gradient_is_the_one_without(small, note):
    x = tensor(note(220, 44_100))
    plain = small.embed_audio(x, sample_rate=44_100)
    tracked = small.embed_audio(x.clone().requires_grad_(), sample_rate=44_100)
    assert cosine(plain, tracked.detach()) > 0.9999


def test_bfloat16_is_close_and_says_so(small, note):
    half = load_model("small", precision="bfloat16")
    x = note(220, 32_000)
    a = small.embed_audio(x, sample_rate=32_000)
    b = half.embed_audio(x, sample_rate=32_000)
    assert cosine(a, b) > 0.99
    assert half.precision == "bfloat16"
    with pytest.raises(UsageError, match="precision"):
        load_model("small", precision="int4")


@pytest.mark.parametrize(("has_amx", "precision"), [(True, "bfloat16"), (False, "float32")])
def test_auto_precision_is_the_quicker_one_of_the_processor(monkeypatch, has_amx, precision):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": has_amx})
    assert load_model("small", precision="auto").precision == precision


def test_one_text_and_several(small):
    one, many = small.embed_text("a warm pad"), small.embed_text(["a warm pad", "a kick drum"])
    assert one.shape == (1, many.shape[1])
    assert float((one.plain() - many.plain()[:1]).abs().max()) < 1e-5
    assert one.space == small.encoder.spaces["text"]


@pytest.mark.parametrize("texts", [[], "", ["ok", " "], [1]])
def test_a_text_that_is_none_is_an_error(small, texts):
    with pytest.raises(UsageError):
        small.embed_text(texts)


def test_timbre_vectors_are_not_compared_with_texts(small, note):
    timbre = small.embed_audio(note(220, 32_000), sample_rate=32_000, kind="timbre")
    with pytest.raises(SpaceMismatchError):
        small.similarity(timbre, "bright")
    with pytest.raises(UsageError, match="text, timbre"):
        small.embed_audio(note(220, 32_000), sample_rate=32_000, kind="colour")


def test_a_model_folder_loads_by_its_path_and_has_the_same_id(small, note, tmp_path):
    source = small.checkpoint
    names = [n for n in source.config["files"] if n.endswith(".safetensors")]
    others = {n: source.root / n for n in source.config["files"] if n not in names}
    config = {k: v for k, v in source.config.items() if k != "files"}
    write_checkpoint(tmp_path / "copy", config, {n: source.tensors(n) for n in names}, others)
    for name in (str(tmp_path / "copy"), f"small={tmp_path / 'copy'}"):
        copy = load_model(name)
        assert copy.id.split("@")[0] == "small"
        x = note(220, 32_000)
        a, b = (m.embed_audio(x, sample_rate=32_000).plain() for m in (small, copy))
        assert torch.equal(a, b)
        assert torch.equal(small.embed_text("warm").plain(), copy.embed_text("warm").plain())


def test_an_unknown_model_and_a_bare_file_say_what_to_do(tmp_path):
    with pytest.raises(UnknownNameError, match="Did you mean 'small'"):
        load_model("smal")
    (tmp_path / "Wav2CLIP.pt").touch()
    with pytest.raises(UsageError, match="wav2clip="):
        load_model(tmp_path / "Wav2CLIP.pt")
    with pytest.raises(InputError, match="There is no"):
        load_model("wav2clip", weights=tmp_path / "gone.pt")


def test_a_bad_file_does_not_stop_the_others(small, sounds):
    results = list(small.embed_files(sorted(sounds.glob("*.wav"))))
    by_name = {r.path.name: r for r in results}
    assert by_name["a.wav"].vectors is not None
    assert isinstance(by_name["silent.wav"].error, SilentAudioError)
    assert isinstance(by_name["empty.wav"].error, EmptyAudioError)
    assert isinstance(by_name["broken.wav"].error, InputError)
