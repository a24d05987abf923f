import math

import pytest
import torch

from timbreclip_core.encoders.small import SmallEncoder, SmallShape, mel_centres_hz
from timbreclip_train.measures import MEASURES, SHARES_HZ, Ordinary, measure

torch.set_num_threads(1)
CENTROID = MEASURES.index("centroid")


def of_tone(hz):
    encoder = SmallEncoder(SmallShape(), {})
    x = torch.sin(2 * math.pi * hz * torch.arange(64_000) / 32_000)
    return measure(encoder.mel_power(encoder.spectrogram(x[None])))[0]


@pytest.mark.parametrize("hz", [300.0, 1_000.0, 5_000.0])
def test_the_centroid_of_a_tone_is_the_tone(hz):
    assert 2 ** float(of_tone(hz)[CENTROID]) == pytest.approx(hz, rel=0.1)


@pytest.mark.parametrize(
    ("hz", "name"),
    [(100, "low"), (400, "low_mid"), (1_200, "mid"), (4_000, "presence"), (11_000, "air")],
)
def test_a_tone_has_all_its_power_in_its_range(hz, name):
    values = of_tone(float(hz))
    shares = {n: float(values[MEASURES.index(n)]) for n in SHARES_HZ}
    assert shares.pop(name) == pytest.approx(0.0, abs=0.3)
    assert all(share < -15 for share in shares.values())


def test_measures_do_not_know_the_level():
    power = torch.rand(3, 96, 20)
    assert torch.allclose(measure(power), measure(1e-6 * power), atol=1e-3)


def test_silence_measures_finite():
    assert torch.isfinite(measure(torch.zeros(1, 96, 4))).all()


def test_tilting_up_raises_the_centroid():
    power = torch.rand(4, 96, 20)
    tilted = power * 10 ** (0.3 * (mel_centres_hz(96) / 1_000).log2())[:, None]
    assert bool((measure(tilted)[:, CENTROID] > measure(power)[:, CENTROID]).all())


def test_ordinary_follows_a_trend_with_pitch():
    pitch = torch.linspace(30, 90, 200)
    noise = torch.randn(200, len(MEASURES), generator=torch.Generator().manual_seed(0))
    values = (pitch / 12)[:, None] + 0.1 * noise
    whole = Ordinary.of(values, pitch, by_pitch=1.0)
    assert float(whole.spread.mean()) == pytest.approx(0.1, rel=0.15)
    deviation = whole.deviation(values, pitch)
    assert float(deviation.mean()) == pytest.approx(0.0, abs=0.01)
    blind = Ordinary.of(values, pitch, by_pitch=0.0).deviation(values, pitch)
    assert float(blind[-1, 0]) > 1 > -1 > float(blind[0, 0])


def test_drums_are_set_against_the_mean():
    pitch = torch.tensor([40.0, 60.0, 80.0, 70.0])
    values = torch.randn(4, len(MEASURES), generator=torch.Generator().manual_seed(0))
    ordinary = Ordinary.of(values, pitch)
    assert torch.allclose(ordinary.expected(torch.tensor([float("nan")]))[0], values.mean(0))
