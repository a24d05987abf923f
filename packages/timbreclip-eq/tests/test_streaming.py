"""Block by block is the same as in one piece, and needs no more memory for a longer sound."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyloudnorm
import pytest
import scipy.signal
import soundfile
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from timbreclip_core.dsp import biquad
from timbreclip_eq import CurveEQ, GraphicEQ, ParametricEQ, Preset, TiltEQ
from timbreclip_eq.measure import CentroidMeter, LoudnessMeter, PeakMeter, centroid_hz, true_peak
from timbreclip_eq.options import CurveOptions
from timbreclip_eq.plot import SpectrogramMeter, spectrogram_db
from timbreclip_eq.render import render
from timbreclip_eq.rendering import Render
from timbreclip_eq.soundfiles import open_sound
from timbreclip_eq.streaming import Kernel

F64 = torch.float64
SIZES = st.lists(st.integers(1, 900), min_size=1, max_size=6)


def noise(samples, channels=2, seed=0, dtype=F64):
    generator = torch.Generator().manual_seed(seed)
    return 0.1 * torch.randn(channels, samples, generator=generator, dtype=dtype)


def cut(audio, sizes):
    return audio.split([*sizes], -1)


@settings(max_examples=30, deadline=None)
@given(sizes=SIZES, seed=st.integers(0, 99))
def test_biquads_in_blocks_are_scipys_in_one_piece(sizes, seed):
    audio = noise(sum(sizes), seed=seed)
    gains, centres = torch.tensor([9.0, -6.0], dtype=F64), torch.tensor([60.0, 5e3], dtype=F64)
    sections = biquad.peaking(gains, centres, torch.ones(2, dtype=F64), 48_000)
    golden = scipy.signal.sosfilt(sections.numpy(), audio.numpy())
    out = torch.cat(list(Kernel(sections=sections).run(cut(audio, sizes))), -1)
    np.testing.assert_allclose(out, golden, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(sizes=SIZES, taps=st.integers(1, 700), data=st.data())
def test_an_fir_in_blocks_is_scipys_convolution_less_its_delay(sizes, taps, data):
    delay = data.draw(st.integers(0, taps - 1))
    audio, h = noise(sum(sizes)), noise(taps, 1, seed=1)[0]
    whole = scipy.signal.oaconvolve(audio.numpy(), h.numpy()[None], axes=-1)
    golden = whole[:, delay : delay + audio.shape[-1]]
    missing = audio.shape[-1] - golden.shape[-1]
    golden = np.pad(golden, ((0, 0), (0, missing)))
    out = torch.cat(list(Kernel(taps=h, delay=delay).run(cut(audio, sizes))), -1)
    np.testing.assert_allclose(out, golden, atol=1e-10)
    np.testing.assert_allclose(Kernel(taps=h, delay=delay).apply(audio), golden, atol=1e-10)


def test_a_filter_that_does_nothing_does_nothing():
    audio = noise(500, dtype=torch.float32)
    assert torch.equal(Kernel().apply(audio), audio)
    assert list(Kernel(taps=torch.ones(3), delay=1).run([])) == []


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_loudness_in_blocks_is_pyloudnorms(rate, channels):
    audio = noise(round(1.73 * rate), channels) * torch.linspace(0.001, 3, round(1.73 * rate))
    golden = pyloudnorm.Meter(rate).integrated_loudness(audio.numpy().T)
    meter = LoudnessMeter(channels, rate)
    for block in audio.split(997, -1):
        meter.add(block)
    assert meter.lufs() == pytest.approx(golden, abs=1e-9)


def test_nothing_has_no_loudness():
    assert LoudnessMeter(2, 48_000).lufs() is None


@pytest.mark.parametrize("size", [1, 63, 64, 65, 1_000, 20_000])
def test_meters_do_not_depend_on_blocks(size):
    audio, rate = noise(6_001, dtype=torch.float32), 44_100
    highest = float(audio.double().mean(0).abs().max())
    meters = PeakMeter(rate), CentroidMeter(rate, highest), SpectrogramMeter(rate, 6_001)
    for block in audio.split(size, -1):
        for meter in meters:
            meter.add(block)
    peaks, centroid, spectrogram = meters
    assert peaks.true_peak() == pytest.approx(true_peak(audio, rate), rel=1e-4)
    assert (peaks.frames, peaks.peak) == (6_001, float(audio.abs().max()))
    assert centroid.hz() == pytest.approx(centroid_hz(audio, rate), rel=1e-9)
    np.testing.assert_allclose(spectrogram.level_db(), spectrogram_db(audio, rate), atol=1e-3)


EQS = {
    "graphic": (GraphicEQ(), {"gain_db": torch.linspace(-12, 12, 10, dtype=F64)[None]}),
    "parametric": (ParametricEQ(), None),
    "curve": (CurveEQ(), None),
    "linear": (CurveEQ(CurveOptions(phase="linear")), None),
    "tilt": (TiltEQ(), None),
}


def values_of(name):
    eq, values = EQS[name]
    row = torch.linspace(0.1, 0.9, eq.size, dtype=F64)[None]
    return eq, eq.values(row) if values is None else values


@pytest.mark.parametrize("name", list(EQS))
def test_a_file_is_rendered_as_it_is_in_memory(tmp_path, name, monkeypatch):
    monkeypatch.setattr("timbreclip_eq.soundfiles.FRAMES", 5_000)
    eq, values = values_of(name)
    audio = noise(31_234, dtype=torch.float32)
    soundfile.write(tmp_path / "a.wav", audio.numpy().T, 44_100, subtype="FLOAT")
    preset = Preset.of(eq, values, sample_rate=44_100, heard_hz=16_000.0)
    header = open_sound(tmp_path / "a.wav")
    found = Render(preset, header, amount=1.0, match_loudness=True)
    out = torch.cat(list(found.blocks(*found.shown())), -1)
    whole = render(eq, values, audio, 44_100, match_loudness=True)
    torch.testing.assert_close(out, whole.audio, atol=1e-6, rtol=1e-5)
    assert found.levels.match_db == pytest.approx(whole.match_db, abs=1e-6)
    assert found.levels.preamp_db == pytest.approx(whole.preamp_db, abs=1e-3)


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(list(EQS)),
    rate=st.sampled_from([1_000, 8_000, 22_050, 48_000, 192_000]),
    channels=st.integers(1, 7),
    samples=st.integers(1, 30_000),
    level_db=st.integers(-120, 40),
    amount=st.sampled_from([-1.0, 0.3, 1.0, 2.0]),
)
@example(name="graphic", rate=1_000, channels=6, samples=3, level_db=-61, amount=-1.0)
def test_whatever_is_asked_the_loudness_is_the_sources_or_it_is_said(
    name, rate, channels, samples, level_db, amount
):
    eq, values = values_of(name)
    audio = 10 * noise(samples, channels, seed=samples) * 10 ** (level_db / 20)
    found = render(eq, values, audio, rate, amount=amount, match_loudness=True)
    assert found.audio.shape == audio.shape
    assert torch.isfinite(found.audio).all()
    assert found.audio.abs().max() <= 1
    meters = [LoudnessMeter(channels, rate) for _ in range(2)]
    for meter, sound in zip(meters, (audio, found.audio), strict=True):
        meter.add(sound)
    before, after = (meter.lufs() for meter in meters)
    if before is None or after is None:
        return
    assert after == pytest.approx(found.lufs_after, abs=0.05)
    assert abs(after - before) <= 0.1 or found.warnings
    # Where a gate's edge lies between the two, loudness does not follow the gain to the last bit.
    assert after <= before + 0.1


MEASURE = """
import resource, sys
from click.testing import CliRunner
from timbreclip_core.cli.main import cli
done = CliRunner().invoke(cli, ["eq", "apply", *sys.argv[1:]])
assert done.exit_code == 0, done.output
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_a_longer_sound_takes_no_more_memory(tmp_path):
    preset = Preset.of(*values_of("parametric"), sample_rate=48_000, heard_hz=16_000.0)
    preset.save(tmp_path / "p.json")
    peaks_kb = []
    for seconds in (10, 70):
        source = tmp_path / f"{seconds}.wav"
        with soundfile.SoundFile(source, "w", 48_000, 2, "PCM_16") as f:
            for part in range(seconds):
                f.write(noise(48_000, seed=part).numpy().T)
        words = [tmp_path / "p.json", source, "-o", tmp_path / "o.wav"]
        command = [sys.executable, "-c", MEASURE, *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        peaks_kb.append(int(done.stdout.split()[-1]))
    one_copy_kb = 60 * 48_000 * 2 * 4 / 1_024
    assert peaks_kb[1] - peaks_kb[0] < one_copy_kb
