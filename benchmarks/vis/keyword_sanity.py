"""Which keywords are closest to a sound and which are farthest, of every set that ships?

OMP_NUM_THREADS=1 python benchmarks/vis/keyword_sanity.py examples --json keywords.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from timbreclip_core import load_model
from timbreclip_core.batch import sound_files
from timbreclip_vis.keywords import keyword_weights
from timbreclip_vis.wordsets import keyword_sets

COUNT = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sounds", type=Path, nargs="+")
    parser.add_argument("--model", default="small")
    parser.add_argument("--sets", nargs="+", default=["glyph", "adjectives", "instruments"])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()

    model, rows = load_model(options.model), []
    for result in model.embed_files(sound_files(options.sounds), kinds=("text",)):
        if result.vectors is None:
            print(f"Left out: {result.error}")
            continue
        for name in options.sets:
            words = keyword_sets()[name]
            cosines = keyword_weights(
                model, result.vectors["text"], words, weighting="raw", sentences="sound"
            )[0]
            order = cosines.argsort(descending=True).tolist()
            most = [words[i] for i in order[:COUNT]]
            least = [words[i] for i in reversed(order[-COUNT:])]
            rows.append({"sound": result.path.name, "set": name, "most": most, "least": least})
    print(model.id)
    for row in rows:
        first, last = (", ".join(row[end]) for end in ("most", "least"))
        print(f"{row['sound']:16}{row['set']:13}{first:42}| {last}")
    if options.json:
        options.json.write_text(json.dumps({"model": model.id, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
