"""Do the weights of the words that fit an effect move one way as its level rises?

Figure 5's pictures are of ``a(f(x)) - a(x)``. For every sound and four effects, the weight of the
word that fits the effect ought to rise with the level; the bar is 10 of 12 pairs of three sounds.
Raw weights, the default of ``tclip vis effect`` with glyphs, are products of the change and the
word; shares, by softmax over the twelve adjectives, also depend on how the other words rise.

    OMP_NUM_THREADS=1 python benchmarks/vis/effect_weights.py \\
        examples/pluck.wav examples/pad.flac examples/organ.ogg --json effects.json
"""

from __future__ import annotations

import argparse
import json
from itertools import pairwise
from pathlib import Path

from timbreclip_core import load_model
from timbreclip_vis.entries import load_backend
from timbreclip_vis.figures.effect import effect_subjects
from timbreclip_vis.painter import Painter
from timbreclip_vis.scheme import Scheme
from timbreclip_vis.wordsets import keywords_of

FITS = {"distortion": "distorted", "high-pass": "bright", "low-pass": "dark", "echo": "echoing"}
LEVELS = (0.25, 0.5, 0.75, 1.0)


def rises(values: list[float]) -> bool:
    """Whether each is at least the one before, and the last above the first."""
    return all(a <= b for a, b in pairwise(values)) and values[-1] > values[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sounds", type=Path, nargs="+")
    parser.add_argument("--model", default="small")
    parser.add_argument("--temperature", type=float, default=Scheme.temperature)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()

    model, words = load_model(options.model), keywords_of("adjectives")
    scheme = Scheme(keywords=words, template="{keyword}", temperature=options.temperature)
    painter = Painter(model, load_backend("glyph"), scheme)
    rows = []
    for sound in options.sounds:
        subjects = [s for _, s in effect_subjects(model, sound, list(FITS), LEVELS)]
        for number, (effect, word) in enumerate(FITS.items()):
            steps = [s.vector for s in subjects[number :: len(FITS)]]
            index = words.index(word)
            raw = [float(painter.closeness(v)[0, index]) for v in steps]
            shares = [float(painter.weights(v)[0, index]) for v in steps]
            last = painter.closeness(steps[-1])[0]
            row = {"sound": sound.name, "effect": effect, "word": word, "raw": raw}
            row |= {"raw_rise": rises(raw), "shares": shares, "shares_rise": rises(shares)}
            rows.append({**row, "last_rank": 1 + int((last > last[index]).sum())})
    print(f"{model.id}, temperature {options.temperature:g}, levels {LEVELS}")
    for row in rows:
        shown = " ".join(f"{w:6.3f}" for w in row["raw"])
        apart = " ".join(f"{p:6.3f}" for p in row["shares"])
        marks = "".join("+" if row[k] else "-" for k in ("raw_rise", "shares_rise"))
        print(
            f"{row['sound']:14}{row['effect']:12}{row['word']:11}{shown}   {apart}   {marks}"
            f"  rank {row['last_rank']}"
        )
    counts = {k: sum(row[k] for row in rows) for k in ("raw_rise", "shares_rise")}
    print(f"raw weights rise in {counts['raw_rise']} of {len(rows)},", end=" ")
    print(f"shares in {counts['shares_rise']} of {len(rows)}")
    if options.json:
        report = {"model": model.id, "levels": LEVELS, **counts, "pairs": rows}
        options.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
