"""Do glyphs of similar sounds look alike, and of different sounds different?

Every sound is drawn as ``tclip vis`` draws it. For all pairs of sounds, the distance of their
pictures is set beside the distance of their vectors: Spearman's rank correlation. Pictures are
compared as eyes from afar would: averaged over squares, then root mean square difference in CIE
L*a*b*, at 64 x 64 and at 16 x 16.

    tclip data render synth --limit 200 --per-patch 1 --out CORPUS
    OMP_NUM_THREADS=1 python benchmarks/vis/likeness.py CORPUS/synth/audio --json likeness.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.stats import spearmanr

from timbreclip_core import load_model
from timbreclip_core.batch import sound_files
from timbreclip_vis.entries import find_backend, load_backend
from timbreclip_vis.painter import Painter
from timbreclip_vis.scheme import Scheme
from timbreclip_vis.wordsets import keywords_of, template_of

SIDES = (64, 16)
WHITE = np.array([0.95047, 1.0, 1.08883])  # D65
TO_XYZ = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
)  # IEC 61966-2-1


def lab(image: Image.Image, side: int) -> np.ndarray:
    """L*a*b* of the averaged picture, flat."""
    rgb = np.asarray(image, dtype=float) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    block = image.width // side
    mean = linear.reshape(side, block, side, block, 3).mean((1, 3))
    ratio = mean @ TO_XYZ.T / WHITE
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1).ravel()


def distances(rows: np.ndarray) -> np.ndarray:
    """Euclidean, of all pairs, flat."""
    table = torch.from_numpy(np.asarray(rows, dtype=np.float64))
    first, second = torch.triu_indices(len(table), len(table), 1)
    return torch.cdist(table, table)[first, second].numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sounds", type=Path, nargs="+")
    parser.add_argument("--model", default="small")
    parser.add_argument("--keywords", help="a set; default: that of the backend")
    parser.add_argument("--weighting", help="default: that of the backend")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()

    model, entry = load_model(options.model), find_backend("glyph")
    scheme = Scheme(
        keywords=keywords_of(options.keywords or entry.keywords),
        template=template_of(entry.template),
        weighting=options.weighting or entry.weighting,
    )
    painter = Painter(model, load_backend("glyph", {"size": 256}), scheme)
    kind = model.kind_for_sounds()
    found = [r.vectors for r in model.embed_files(sound_files(options.sounds)) if r.vectors]
    pictures = painter.paint(painter.weights(torch.cat([v["text"] for v in found])))

    correlation: dict[str, float] = {}
    for name in dict.fromkeys(("text", kind)):
        apart = distances(torch.cat([v[name].plain() for v in found]).numpy())
        for side in SIDES:
            seen = distances(np.stack([lab(p, side) for p in pictures]))
            correlation[f"{name} vectors, {side} x {side}"] = float(spearmanr(seen, apart)[0])
    report = {
        "model": model.id,
        "sounds": len(found),
        "scheme": scheme.weighting,
        "rho": correlation,
    }
    print(f"{model.id}: {len(found)} sounds, {scheme.weighting}")
    for name, rho in correlation.items():
        print(f"{name:32}{rho:7.3f}")
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
