import math

import numpy as np
import pytest
import torch

from timbreclip_core.descriptors import DESCRIPTORS
from timbreclip_core.encoders.mel import mel_centres_hz
from timbreclip_core.encoders.small import SmallEncoder, SmallShape
from timbreclip_train.judge import ranks
from timbreclip_train.measures import MEASURES, measure

torch.set_num_threads(1)
CENTROID = MEASURES.index("centroid_octaves")


def of_tone(hz):
    encoder = SmallEncoder(SmallShape(), {})
    x = torch.sin(2 * math.pi * hz * torch.arange(64_000) / 32_000)
    return measure(encoder.mel_power(encoder.spectrogram(x[None])))[0]


def test_the_names_are_those_of_core():
    assert set(MEASURES) <= {d.name for d in DESCRIPTORS if d.from_power}


@pytest.mark.parametrize("hz", [300.0, 1_000.0, 5_000.0])
def test_the_centroid_of_a_tone_is_the_tone(hz):
    assert float(of_tone(hz)[MEASURES.index("centroid_hz")]) == pytest.approx(hz, rel=0.1)
    assert 1_000 * 2 ** float(of_tone(hz)[CENTROID]) == pytest.approx(hz, rel=0.1)


@pytest.mark.parametrize(
    ("hz", "name"),
    [
        (50, "sub"),
        (150, "low"),
        (350, "low_mid"),
        (1_200, "mid"),
        (3_000, "presence"),
        (11_000, "air"),
    ],
)
def test_a_tone_has_all_its_power_in_its_range(hz, name):
    values = of_tone(float(hz))
    assert float(values[MEASURES.index(f"{name}_share_db")]) == pytest.approx(0.0, abs=1.0)
    far = "air" if hz < 2_000 else "low"
    assert float(values[MEASURES.index(f"{far}_share_db")]) < -15


def test_measures_do_not_know_the_level():
    power = torch.rand(3, 96, 20)
    assert torch.allclose(measure(power), measure(1e-6 * power), atol=1e-2)


def test_silence_measures_finite():
    assert torch.isfinite(measure(torch.zeros(1, 96, 4))).all()


def test_tilting_up_raises_the_centroid():
    power = torch.rand(4, 96, 20)
    tilted = power * 10 ** (0.3 * (mel_centres_hz(96) / 1_000).log2())[:, None]
    assert bool((measure(tilted)[:, CENTROID] > measure(power)[:, CENTROID]).all())


def test_ranks_go_from_least_to_most_and_leave_out_what_is_unknown():
    found = ranks(np.array([[3.0, np.nan], [1.0, 2.0], [np.nan, np.nan], [2.0, np.nan]]))
    assert found[[0, 1, 3], 0].tolist() == [1.0, -1.0, 0.0]
    assert bool(found[2].isnan().all()) and bool(found[:, 1].isnan().all())
