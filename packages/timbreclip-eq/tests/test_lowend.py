"""The low end of a filtered spectrogram against that of the truly filtered sound."""

import pytest
import torch

from timbreclip_core.encoders.small import SmallEncoder, SmallShape
from timbreclip_eq.entries import load_eq
from timbreclip_eq.lowend import LowEnd
from timbreclip_eq.testing import band_model

RATE, LENGTH = 32_000, 128_000


@pytest.fixture(scope="module")
def encoder():
    return SmallEncoder(SmallShape(), {}).eval()


def windows_of(sounds):
    """A low pluck, and short noise that begins and ends at once, filled up to 4 s."""
    found = [sounds.pluck(RATE, 2.0, 82.0)[0], sounds.noise(0.2, RATE)[0]]
    return torch.stack([torch.nn.functional.pad(x, (0, LENGTH - len(x))) for x in found])


@pytest.mark.parametrize("seed", range(3))
def test_the_low_end_is_that_of_the_filtered_sound(encoder, sounds, seed):
    """Within 0.25 dB on average down to -60 dB, four times nearer than |H|^2 times the power."""
    eq, low, windows = load_eq("graphic"), LowEnd.of(encoder), windows_of(sounds)
    generator = torch.Generator().manual_seed(seed)
    values = eq.values(torch.rand(1, eq.size, generator=generator).double())
    magnitude = eq.response(values, low.freqs_hz, RATE).expand(len(windows), -1)
    plain = encoder.spectrogram(windows)
    ours = low.power(low.listen(windows), magnitude, plain.shape[-1])
    gain = eq.response(values, encoder.freqs_hz.double()[: low.bins], RATE)[0].square()
    shortcut = plain[:, : low.bins] * gain[:, None]
    for row, end in enumerate((windows.abs() > 0).sum(1).tolist()):
        filtered = torch.zeros(LENGTH)
        filtered[:end] = eq.filter(windows[row, :end].double()[None], values, RATE)[0].float()
        true = encoder.spectrogram(filtered[None])[0, : low.bins]
        near, far = (float(off_db(found[row], true).mean()) for found in (ours, shortcut))
        assert near < 0.25 and near < 0.25 * far, (near, far)


def off_db(found, true):
    """Differences in dB in the cells within 60 dB of the loudest."""
    loud = true > 1e-6 * true.max()
    return (10 * torch.log10(found[loud] / true[loud])).abs()


def test_a_flat_filter_leaves_the_spectrogram_as_it_is(encoder, sounds):
    low, windows = LowEnd.of(encoder), windows_of(sounds)
    plain = encoder.spectrogram(windows)[:, : low.bins]
    flat = torch.ones(len(windows), len(low.freqs_hz), dtype=torch.float64)
    ours = low.power(low.listen(windows), flat, plain.shape[-1])
    assert float((ours - plain).abs().max()) < 1e-3 * float(plain.max())


def test_an_encoder_with_other_frames_has_no_low_end_of_its_own():
    assert LowEnd.of(band_model().encoder) is None
