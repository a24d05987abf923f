import numpy as np
import pytest
import soundfile
import soxr
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from timbreclip_core import audio as au
from timbreclip_core.errors import EmptyAudioError, InputError, SilentAudioError

RATES = [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000]
ENCODER_RATES = [16_000, 32_000]
# Container, encoding, largest error that its steps (or its compression) may make.
LOSSLESS = [
    ("WAV", "PCM_U8", 2**-7),
    ("WAV", "PCM_16", 2**-15),
    ("WAV", "PCM_24", 2**-23),
    ("WAV", "PCM_32", 2**-24),
    ("WAV", "FLOAT", 0),
    ("WAV", "DOUBLE", 0),
    ("RF64", "PCM_16", 2**-15),
    ("FLAC", "PCM_S8", 2**-7),
    ("FLAC", "PCM_16", 2**-15),
    ("FLAC", "PCM_24", 2**-23),
    ("AIFF", "PCM_S8", 2**-7),
    ("AIFF", "PCM_16", 2**-15),
    ("AIFF", "PCM_24", 2**-23),
    ("AIFF", "FLOAT", 0),
    ("CAF", "PCM_24", 2**-23),
    ("W64", "PCM_16", 2**-15),
    ("AU", "PCM_16", 2**-15),
]
LOSSY = [("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")]

rates = st.sampled_from(RATES)
shapes = st.one_of(
    st.tuples(st.integers(1, 400)),
    st.tuples(st.integers(1, 8), st.integers(8, 400)),
    st.tuples(st.integers(1, 4), st.integers(1, 8), st.integers(8, 400)),
)
bad_numbers = st.sampled_from([np.nan, np.inf, -np.inf])


def noise(*shape, seed=0, level=0.1):
    return np.clip(np.random.default_rng(seed).normal(0, level, shape), -0.99, 0.99)


def tone(rate, hz, seconds=0.5):
    t = np.arange(round(rate * seconds)) / rate
    return 0.5 * np.sin(2 * np.pi * hz * t)


def db(power):
    return 10 * np.log10(float(power))


# Arrays


@given(shapes, st.sampled_from([np.float16, np.float32, np.float64]), rates)
def test_every_shape_becomes_batch_channels_samples(shape, dtype, rate):
    x = noise(*shape).astype(dtype)
    batch = au.as_batch(x, rate)
    assert batch.shape == (1,) * (3 - len(shape)) + shape
    assert batch.dtype == (torch.float64 if dtype == np.float64 else torch.float32)
    assert np.array_equal(batch.numpy().reshape(shape), x)


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x[::-1],
        lambda x: x[::2],
        lambda x: x.astype(">f4"),
        lambda x: x.astype(np.longdouble),
        lambda x: np.broadcast_to(x[:1], 5),
        lambda x: x.tolist(),
        lambda x: np.asfortranarray(np.stack([x, x])),
    ],
    ids=["reversed", "strided", "big-endian", "long double", "read-only", "list", "fortran"],
)
def test_arrays_that_torch_does_not_take_are_taken(view, recwarn):
    x = view(noise(10).astype(np.float32))
    batch = au.as_batch(x, 16_000)
    assert np.array_equal(batch.numpy().reshape(np.shape(x)), np.asarray(x, np.float64))
    assert not recwarn.list


def test_a_tensor_keeps_its_gradient():
    x = torch.zeros(2, 100, requires_grad=True)
    au.to_mono(au.as_batch(x, 16_000)).sum().backward()
    assert torch.equal(x.grad, torch.full((2, 100), 0.5))


@given(st.sampled_from([np.int8, np.int16, np.int32, np.int64, np.uint8, np.bool_, np.complex64]))
def test_other_numbers_than_floating_point_are_refused(dtype):
    for x in (
        np.zeros(100, dtype),
        torch.zeros(100, dtype=torch.from_numpy(np.zeros(1, dtype)).dtype),
    ):
        with pytest.raises(InputError, match="floating point"):
            au.as_batch(x, 16_000)


def test_sixteen_bit_integers_say_what_to_divide_by():
    with pytest.raises(InputError, match="32768"):
        au.as_batch(np.zeros(100, np.int16), 16_000)


@given(shapes, bad_numbers, st.data())
def test_one_sample_that_is_no_number_is_refused(shape, bad, data):
    x = noise(*shape)
    x.flat[data.draw(st.integers(0, x.size - 1))] = bad
    with pytest.raises(InputError, match="NaN or infinite"):
        au.as_batch(x, 16_000)


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 100), (3, 2, 0), (3, 0, 100), (0, 2, 100)])
def test_no_samples_at_all_are_refused(shape):
    with pytest.raises(EmptyAudioError, match="no samples"):
        au.as_batch(np.zeros(shape), 16_000)


@pytest.mark.parametrize("shape", [(), (1, 1, 1, 100)])
def test_a_shape_that_is_no_audio_is_refused_and_shown(shape):
    with pytest.raises(InputError, match=r"\(samples,\)"):
        au.as_batch(np.zeros(shape), 16_000)


def test_samples_before_channels_are_refused():
    with pytest.raises(InputError, match="transpose"):
        au.as_batch(np.zeros((44_100, 2)), 44_100)


@pytest.mark.parametrize(
    "rate", [*RATES, 44_100.0, np.int64(48_000), np.float32(16_000), 1_000, 768_000]
)
def test_whole_rates_are_taken(rate):
    au.check_rate(rate)


@pytest.mark.parametrize(
    "rate", [0, -44_100, 44.1, 44_100.5, 999, 10**6, np.nan, np.inf, None, "44100", True]
)
def test_what_is_no_rate_is_refused(rate):
    with pytest.raises(InputError, match="sample_rate"):
        au.check_rate(rate)


@given(st.integers(1, 8), st.integers(1, 300))
def test_mono_is_the_mean_of_the_channels(channels, samples):
    x = torch.from_numpy(noise(2, channels, samples))
    assert torch.allclose(au.to_mono(x), sum(x[:, c] for c in range(channels)) / channels)


@pytest.mark.parametrize(
    ("peak", "silent"), [(0, True), (0.9e-5, True), (1.1e-5, False), (1, False)]
)
def test_silence_is_what_stays_under_minus_100_dbfs(peak, silent):
    mono = torch.zeros(2, 50)
    mono[0], mono[1, 20] = 0.5, -peak
    if silent:
        with pytest.raises(SilentAudioError, match=r"items \[1\]"):
            au.check_audible(mono)
    else:
        au.check_audible(mono)


# Resampling


@settings(max_examples=150)
@given(rates, rates, st.integers(1, 3_000), st.booleans())
@example(96_000, 88_200, 1, False)
@example(96_000, 88_200, 1, True)
def test_any_length_resamples_to_the_rounded_length_and_to_one_at_least(was, to, samples, gradient):
    x = torch.from_numpy(noise(2, samples)).float().requires_grad_(gradient)
    y = au.resample(x, was, to)
    assert y.shape[0] == 2
    assert y.shape[1] >= 1
    assert abs(y.shape[1] - samples * to / was) <= 0.5 or y.shape[1] == 1
    assert torch.isfinite(y).all()


@settings(max_examples=150)
@given(rates, rates, st.integers(1, 3_000))
def test_both_ways_of_resampling_give_one_length(was, to, samples):
    x = torch.zeros(samples)
    assert au.resample(x, was, to).shape == au.resample(x.clone().requires_grad_(), was, to).shape


@pytest.mark.parametrize("to", ENCODER_RATES)
@pytest.mark.parametrize("was", RATES)
def test_a_tone_stays_where_and_what_it_was(was, to):
    x = torch.from_numpy(tone(was, 1_000))
    for y in (au.resample(x, was, to), au.resample(x.clone().requires_grad_(), was, to).detach()):
        inner = slice(to // 20, -to // 20)
        assert np.abs(y.numpy() - tone(to, 1_000)[: len(y)])[inner].max() < 1e-4


@pytest.mark.parametrize("to", ENCODER_RATES)
@pytest.mark.parametrize("was", [r for r in RATES if r not in ENCODER_RATES])
def test_the_two_ways_of_resampling_differ_by_less_than_minus_70_db(was, to):
    x = torch.from_numpy(noise(was) * np.hanning(was))
    ours = au.resample(x, was, to).numpy()
    differentiable = au.resample(x.clone().requires_grad_(), was, to).detach().numpy()
    spectrum, other = np.fft.rfft(ours), np.fft.rfft(differentiable)
    heard = np.fft.rfftfreq(len(ours), 1 / to) < 0.9 * min(was, to) / 2
    error = (np.abs(spectrum - other)[heard] ** 2).sum() / (np.abs(spectrum)[heard] ** 2).sum()
    assert db(error) < -70


@pytest.mark.parametrize("was", [44_100, 48_000, 96_000, 192_000])
def test_a_tone_above_the_new_nyquist_is_gone(was):
    x = torch.from_numpy(tone(was, 9_500) * np.hanning(was // 2))
    for y in (au.resample(x, was, 16_000), au.resample(x.clone().requires_grad_(), was, 16_000)):
        assert db(y.detach().square().mean() / x.square().mean()) < -75


@pytest.mark.parametrize("gradient", [False, True])
def test_an_item_is_resampled_without_regard_to_its_neighbours(gradient):
    x = torch.from_numpy(noise(3, 2, 5_000)) * torch.tensor([1e-3, 1.0, 1e3])[:, None, None]
    batch = au.resample(x.clone().requires_grad_(gradient), 44_100, 16_000)
    alone = au.resample(x[:1].clone().requires_grad_(gradient), 44_100, 16_000)
    assert (batch[:1] - alone).abs().max() < 1e-15


def test_equal_rates_change_nothing():
    x = torch.from_numpy(noise(100))
    assert au.resample(x, 44_100, 44_100) is x


@given(rates, st.sampled_from(ENCODER_RATES), st.integers(1, 500))
def test_gradients_of_resampling_are_finite_and_not_zero(was, to, samples):
    x = torch.from_numpy(noise(samples)).requires_grad_()
    au.resample(x, was, to).square().sum().backward()
    assert torch.isfinite(x.grad).all()
    assert x.grad.abs().max() > 0


def test_type_and_device_are_kept():
    for dtype in (torch.float32, torch.float64):
        assert au.resample(torch.zeros(100, dtype=dtype), 44_100, 16_000).dtype == dtype


# Files


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize(("container", "encoding", "step"), LOSSLESS)
def test_containers_and_bit_depths_read_to_the_same_samples(
    tmp_path, container, encoding, step, channels
):
    x = noise(3_000, channels).astype(np.float32)
    soundfile.write(tmp_path / "x", x, 44_100, encoding, format=container)
    audio, rate = au.read_audio(tmp_path / "x")
    assert (rate, audio.shape, audio.dtype) == (44_100, (channels, 3_000), torch.float32)
    assert np.abs(audio.numpy().T - x).max() <= step
    info = au.read_info(tmp_path / "x")
    assert (info.sample_rate, info.channels, info.frames) == (44_100, channels, 3_000)
    assert info.seconds == pytest.approx(3_000 / 44_100)


@pytest.mark.parametrize(("container", "encoding"), LOSSY)
def test_compressed_files_read_to_nearly_the_same_samples(tmp_path, container, encoding):
    if not soundfile.check_format(container, encoding):
        pytest.skip(f"this libsndfile writes no {container}")
    rate = 48_000
    x = np.stack([tone(rate, 440), tone(rate, 1_000)], 1)
    soundfile.write(tmp_path / "x", x, rate, encoding, format=container)
    audio, read_rate = au.read_audio(tmp_path / "x")
    assert read_rate == rate
    assert abs(audio.shape[1] - len(x)) <= 2_400
    spectra = np.abs(np.fft.rfft(audio.numpy()))
    peaks_hz = np.fft.rfftfreq(audio.shape[1], 1 / rate)[spectra.argmax(1)]
    assert np.abs(peaks_hz - [440, 1_000]).max() < 5
    assert audio.square().mean() == pytest.approx((x**2).mean(), rel=0.1)


@settings(max_examples=60)
@given(
    rate=rates,
    to=st.sampled_from(ENCODER_RATES),
    channels=st.integers(1, 4),
    frames=st.integers(1, 5_000),
    block=st.integers(1, 3_000),
)
def test_a_streamed_file_is_the_whole_file_mixed_and_resampled(
    tmp_path_factory, rate, to, channels, frames, block
):
    path = tmp_path_factory.mktemp("stream") / "x.wav"
    soundfile.write(path, noise(frames, channels, seed=frames), rate, "FLOAT")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(au, "BLOCK_FRAMES", block)
        streamed = np.concatenate(list(au.stream_mono(path, to)))
    audio, _ = au.read_audio(path)
    mono = audio.mean(0)
    assert np.abs(streamed - au.resample(mono, rate, to).numpy()).max() < 1e-6
    if rate != to and frames * to >= rate:
        expected = soxr.resample(mono.numpy(), rate, to, quality=au.QUALITY)
        assert np.abs(streamed - expected).max() < 1e-6


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
@pytest.mark.parametrize("to", [16_000, 32_000])
def test_resampling_is_within_50_db_of_the_best_there_is(rate, to):
    times = np.arange(2 * rate) / rate
    harmonics = np.arange(1, int(0.45 * rate / 220)) * 220.0
    note = (np.sin(2 * np.pi * np.outer(harmonics, times)) / harmonics[:, None]).sum(0)
    note = (note * np.exp(-3 * times)).astype(np.float32)
    best = soxr.resample(note, rate, to, quality="VHQ")
    ours = au.resample(torch.from_numpy(note), rate, to).numpy()
    assert 10 * np.log10((best**2).sum() / ((best - ours) ** 2).sum()) > 50


def test_a_long_file_is_streamed_in_blocks_of_bounded_size(tmp_path):
    soundfile.write(tmp_path / "x.wav", noise(3 * au.BLOCK_FRAMES, 1), 8_000, "PCM_16")
    blocks = [len(b) for b in au.stream_mono(tmp_path / "x.wav", 16_000)]
    assert sum(blocks) == 6 * au.BLOCK_FRAMES
    assert max(blocks) <= 2 * au.BLOCK_FRAMES + 10_000


@pytest.mark.parametrize("read", [au.read_audio, lambda p: list(au.stream_mono(p, 16_000))])
def test_a_file_without_samples_is_refused_by_name(tmp_path, read):
    soundfile.write(tmp_path / "empty.wav", np.zeros((0, 1)), 44_100)
    with pytest.raises(EmptyAudioError, match=r"empty\.wav"):
        read(tmp_path / "empty.wav")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_a_file_with_samples_that_are_no_numbers_is_refused_by_name(tmp_path, bad, rate):
    x = noise(1_000, 2)
    x[777, 1] = bad
    soundfile.write(tmp_path / "x.wav", x, rate, "FLOAT")
    for read in (au.read_audio, lambda p: list(au.stream_mono(p, 16_000))):
        with pytest.raises(InputError, match=r"x\.wav holds NaN or infinite"):
            read(tmp_path / "x.wav")


def test_infinities_of_two_signs_do_not_cancel(tmp_path):
    x = np.zeros((100, 2))
    x[50] = np.inf, -np.inf
    soundfile.write(tmp_path / "x.wav", x, 16_000, "FLOAT")
    with pytest.raises(InputError, match="NaN or infinite"):
        list(au.stream_mono(tmp_path / "x.wav", 16_000))


@pytest.mark.parametrize(
    "content", [b"", b"no audio at all", b"RIFF\x00\x00\x00\x00WAVE", b"fLaC", b"ID3"]
)
def test_a_file_that_is_no_audio_is_refused_by_name(tmp_path, content):
    path = tmp_path / "x.wav"
    path.write_bytes(content)
    for read in (au.read_info, au.read_audio, lambda p: list(au.stream_mono(p, 16_000))):
        with pytest.raises(InputError, match=r"x\.wav"):
            read(path)


@settings(max_examples=80)
@given(st.sampled_from(["WAV", "FLAC", "OGG", "AIFF", "MP3"]), st.randoms(use_true_random=False))
def test_a_damaged_file_is_read_or_refused_but_nothing_else(tmp_path_factory, container, random):
    path = tmp_path_factory.mktemp("damaged") / "x.bin"
    soundfile.write(path, noise(4_000, 2), 44_100, format=container)
    data = bytearray(path.read_bytes())
    for _ in range(random.randint(1, 20)):
        data[random.randrange(len(data))] = random.randrange(256)
    path.write_bytes(data[: random.randint(1, len(data))])
    for read in (
        lambda p: au.read_audio(p)[0],
        lambda p: np.concatenate(list(au.stream_mono(p, 16_000))),
    ):
        try:
            audio = read(path)
        except InputError as error:
            assert "x.bin" in str(error)
        else:
            assert np.isfinite(np.asarray(audio)).all()


def test_a_header_that_promises_too_much_is_not_believed(tmp_path):
    soundfile.write(tmp_path / "x.flac", noise(4_000, 2), 44_100, "PCM_16")
    data = bytearray((tmp_path / "x.flac").read_bytes())
    data[21] |= 0x0F  # STREAMINFO: the total number of samples has 36 bits, from byte 21.5 on
    data[22:26] = b"\xff\xff\xff\xff"
    (tmp_path / "x.flac").write_bytes(data)
    assert au.read_info(tmp_path / "x.flac").frames > 10**10
    for read in (au.read_audio, lambda p: list(au.stream_mono(p, 16_000))):
        try:
            read(tmp_path / "x.flac")
        except InputError as error:
            assert "x.flac" in str(error)


@pytest.mark.parametrize("rate", [1, 999, 10**6])
def test_a_file_of_an_impossible_rate_is_refused(tmp_path, rate):
    soundfile.write(tmp_path / "x.wav", noise(100, 1), rate, "PCM_16")
    for read in (au.read_info, au.read_audio, lambda p: list(au.stream_mono(p, 16_000))):
        with pytest.raises(InputError, match=f"{rate} Hz"):
            read(tmp_path / "x.wav")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "nothing.wav", tmp_path):
        with pytest.raises(InputError, match="no file"):
            au.read_audio(path)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_U8", "PCM_24", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_the_streamed_mean_is_that_of_the_floating_samples(tmp_path, subtype, channels):
    soundfile.write(tmp_path / "x.wav", noise(5_000, channels), 16_000, subtype)
    samples, _ = soundfile.read(tmp_path / "x.wav", always_2d=True)
    streamed = np.concatenate(list(au.stream_mono(tmp_path / "x.wav", 16_000)))
    expected = samples.mean(1)
    # Halves are exact in single precision, thirds are rounded.
    assert np.abs(streamed - expected).max() <= (0 if channels < 3 and "PCM" in subtype else 1e-7)


def test_full_scale_of_16_bits_is_full_scale(tmp_path):
    extremes = np.array([[-32_768, -32_768], [32_767, 32_767], [-32_768, 32_767]], np.int16)
    soundfile.write(tmp_path / "x.wav", extremes, 16_000, "PCM_16")
    streamed = np.concatenate(list(au.stream_mono(tmp_path / "x.wav", 16_000)))
    assert streamed.tolist() == [-1.0, 32_767 / 32_768, -0.5 / 32_768]
