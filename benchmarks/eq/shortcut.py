"""How near is the power spectrogram times |H|^2 to truly filtering the sound, and why not nearer?

    OMP_NUM_THREADS=1 python benchmarks/eq/shortcut.py --json shortcut.json

Random EQs on the ten made sounds, whole and cut to 0.15 s. Per way of hearing: the error of the
level per octave band, and the cosine with the vector of the truly filtered sound:

plain     the power spectrogram times |H|^2
lobe      |H|^2 averaged over the main lobe of the window
leakage   every bin's power handed back to the bins that it may have leaked from, by a window's
          leakage as the encoder itself shows it on sines; each share filtered where it came from
shortcut  ``SpectralHearing``: plain, but for the low end, which is filtered at a low sample rate
zero      the waveform filtered with the right magnitude but no phase: what is left is the phase
exact     ``FilteredHearing``: the waveform filtered with minimum phase, as it is rendered
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor

from timbreclip_core.encoders.base import SpectralEncoder
from timbreclip_core.model import Model, load_model
from timbreclip_eq.base import EQ, Values
from timbreclip_eq.entries import load_eq
from timbreclip_eq.fit import Sound
from timbreclip_eq.hearing import FilteredHearing, SpectralHearing
from timbreclip_eq.judging.sounds import made_sounds

EQS = ("graphic", "parametric")
SHORT_S = 0.15
REACH = 32  # bins to either side that leakage is followed to
EDGES_HZ = 62.5 * 2.0 ** np.arange(9)
LEAST_DB = -60.0  # bands fainter than that, after the filter, are not counted in the level
WAYS = ("plain", "lobe", "leakage", "shortcut", "zero", "exact")


def leakage(encoder: SpectralEncoder) -> Tensor:
    """How much of a sine's power is found at each distance in bins, ``(2 * REACH + 1,)``."""
    freqs_hz = encoder.freqs_hz
    step, middle = float(freqs_hz[1] - freqs_hz[0]), len(freqs_hz) // 2
    t = torch.arange(8 * round(encoder.sample_rate / step)) / encoder.sample_rate
    total = torch.zeros(2 * REACH + 1)
    for offset in (torch.arange(8) + 0.5) / 8 - 0.5:
        hz = (middle + float(offset)) * step
        power = encoder.spectrogram(torch.sin(2 * math.pi * hz * t)[None])[0]
        total += power[middle - REACH : middle + REACH + 1, power.shape[-1] // 2]
    total += total.flip(0)
    return total / total.sum()


def along_bins(power: Tensor, kernel: Tensor) -> Tensor:
    """``(windows, bins, frames)`` convolved along the bins."""
    windows, bins, frames = power.shape
    rows = power.transpose(1, 2).reshape(-1, 1, bins)
    spread = torch.nn.functional.conv1d(rows, kernel[None, None], padding=len(kernel) // 2)
    return spread.reshape(windows, frames, bins).transpose(1, 2)


class Shown(SpectralHearing):
    """The shortcut as the search uses it, with its spectrogram in place of vectors."""

    def _vectors(self, power: Tensor) -> tuple[Tensor, Tensor]:
        return power, power.mean((1, 2))


def ways(model: Model, sound: Sound, eq: EQ, values: Values) -> dict[str, Tensor]:
    """Power spectrograms ``(windows, bins, frames)`` of the filtered sound, by way of hearing."""
    quick, true = Shown(model, "text"), FilteredHearing(model, "text")
    rate, encoder = sound.sample_rate, quick.encoder
    windows = quick.windows(sound.audio, rate, 8)
    power = encoder.spectrogram(windows)

    def magnitude(freqs_hz: Tensor) -> Tensor:
        return eq.response(values, freqs_hz.cpu().double().clamp(max=rate / 2), rate)[0].float()

    data = quick.prepare(windows)
    shortcut, _ = quick.filtered(data, magnitude(quick.freqs_hz(data)).expand(len(data), -1))
    gain = magnitude(encoder.freqs_hz).square()
    lobe = torch.tensor([1 / 6, 2 / 3, 1 / 6])  # a Hann window's power at a bin and beside it
    wide = torch.nn.functional.pad(gain[None, None], (1, 1), mode="replicate")
    smooth = torch.nn.functional.conv1d(wide, lobe[None, None])[0, 0]
    kernel = leakage(encoder)
    share = power / along_bins(power, kernel).clamp(min=1e-30)
    size = 2 * windows.shape[-1]
    spectrum = torch.fft.rfft(windows, size)
    spectrum = spectrum * magnitude(torch.linspace(0, encoder.sample_rate / 2, size // 2 + 1))
    zero = torch.fft.irfft(spectrum, size)[:, : windows.shape[-1]]
    exact = magnitude(true.freqs_hz(windows)).expand(len(windows), -1)
    return {
        "plain": power * gain[:, None],
        "lobe": power * smooth[:, None],
        "leakage": share * along_bins(power * gain[:, None], kernel),
        "shortcut": shortcut,
        "zero": encoder.spectrogram(zero),
        "exact": true.power(windows, exact),
    }


def octave_errors(got: Tensor, true: Tensor, freqs_hz: Tensor) -> list[float]:
    """Errors of the level, dB, of the octave bands that are there."""
    found, wanted = (p.double().sum((0, 2)).numpy() for p in (got, true))
    errors = []
    for low, high in pairwise(EDGES_HZ):
        inside = (freqs_hz.numpy() >= low) & (freqs_hz.numpy() < high)
        if wanted[inside].sum() > 10 ** (LEAST_DB / 10) * wanted.sum():
            errors.append(10 * math.log10(found[inside].sum() / wanted[inside].sum()))
    return errors


def measure(model: Model, sounds: dict[str, Sound], name: str, count: int) -> dict[str, list]:
    """Per way: errors of all bands, and cosines, over sounds and random EQs."""
    eq, ear = load_eq(name), SpectralHearing(model, "text")
    found: dict[str, list] = {way: [[], []] for way in WAYS}
    for sound in sounds.values():
        for seed in range(count):
            generator = torch.Generator().manual_seed(seed)
            values = eq.hold(
                eq.values(torch.rand(1, eq.size, generator=generator).double()), ear.heard_hz
            )
            filtered = eq.filter(sound.audio.double(), values, sound.sample_rate)
            golden = model.embed_audio(filtered, sample_rate=sound.sample_rate).plain()[0]
            truth = ear.encoder.spectrogram(ear.windows(filtered, sound.sample_rate, 8))
            for way, power in ways(model, sound, eq, values).items():
                vectors = ear.encoder.from_power(power)["text"]
                mean = (vectors * power.mean((1, 2))[:, None]).sum(0)
                found[way][0] += octave_errors(power, truth, ear.encoder.freqs_hz)
                found[way][1].append(float(mean @ golden / mean.norm()))
    return found


def short(sound: Sound) -> Sound:
    """Its beginning, from where it is loud."""
    start = int(sound.audio[0].abs().argmax()) if sound.audio[0, :2_000].abs().max() < 0.1 else 0
    length = round(SHORT_S * sound.sample_rate)
    start = min(start, sound.audio.shape[-1] - length)
    return Sound(sound.audio[:, start : start + length].clone(), sound.sample_rate)


@click.command()
@click.option("--model", "model_name", default="small", show_default=True)
@click.option("--count", default=4, show_default=True, help="Random EQs for each sound.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write figures here.")
def main(model_name: str, count: int, json_path: Path | None) -> None:
    """The spectral shortcut against the true filter, and what each repair of it brings."""
    torch.set_num_threads(1)
    model, whole = load_model(model_name), made_sounds()
    kinds: dict[str, Callable[[Sound], Sound]] = {"2 s": lambda s: s, f"{SHORT_S} s": short}
    rows = []
    click.echo(f"{model.id}, {len(whole)} sounds, {count} random EQs each")
    click.echo(
        f"{'EQ':12}{'sounds':8}{'way':10}{'dB rms':>8}{'dB worst':>10}{'cos mean':>10}{'worst':>9}"
    )
    with torch.no_grad():
        for name in EQS:
            for kind, change in kinds.items():
                sounds = {key: change(sound) for key, sound in whole.items()}
                for way, (errors, cosines) in measure(model, sounds, name, count).items():
                    rms, worst = float(np.std(errors)), float(np.abs(errors).max())
                    row = {"eq": name, "sounds": kind, "way": way, "db_rms": rms, "db_worst": worst}
                    row |= {"cosine_mean": float(np.mean(cosines)), "cosine_worst": min(cosines)}
                    rows.append(row)
                    click.echo(
                        f"{name:12}{kind:8}{way:10}{rms:8.2f}{worst:10.2f}"
                        f"{row['cosine_mean']:10.5f}{row['cosine_worst']:9.4f}"
                    )
    if json_path:
        json_path.write_text(json.dumps({"model": model.id, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
