"""Folding batch norms changes no result."""

import pytest
import torch
from torch import nn

from timbreclip_core import load_model
from timbreclip_core.encoders.folding import folded
from timbreclip_core.encoders.small import SmallEncoder, SmallShape
from timbreclip_core.encoders.wav2clip import Wav2Clip


def small():
    shape = SmallShape(widths=(8, 8, 16, 16), hidden=32, dim=16)
    return SmallEncoder(shape, {"text": "a", "timbre": "b"})


@pytest.mark.parametrize("make", [small, Wav2Clip])
def test_a_folded_encoder_hears_the_same_without_a_batch_norm(make):
    torch.manual_seed(0)
    encoder = make()
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):  # as after training: nothing at its start
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
            nn.init.normal_(module.weight, 1.0, 0.2)
            nn.init.normal_(module.bias)
    encoder.freeze()
    sounds = torch.randn(3, encoder.sample_rate)
    exact = encoder(sounds)
    ours = folded(encoder)(sounds)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in encoder.modules())
    for kind, vectors in exact.items():
        assert float((ours[kind] - vectors).abs().max()) < 1e-5


def test_a_norm_without_a_convolution_before_it_stays():
    network = nn.Sequential(nn.BatchNorm2d(2), nn.ReLU(), nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2))
    kinds = [type(module) for module in folded(network.eval())]
    assert kinds == [nn.BatchNorm2d, nn.ReLU, nn.Conv2d, nn.Identity]


def test_the_bundled_model_is_loaded_folded():
    encoder = load_model("small").encoder
    assert not any(isinstance(module, nn.BatchNorm2d) for module in encoder.modules())
