"""Draw anew which wordings training never sees, after some were added to ``wordings.tsv``.

Figures for "other words" hold only for models that were trained after the draw.

    python scripts/draw_wordings.py [FILE ...]

adds the rows of FILEs (concept, form, wording) first. Left out are rows that another concept has or
that hold a held-out word of the timbre lexicon.
"""

from __future__ import annotations

import sys
from pathlib import Path

from timbreclip_core import lexicon
from timbreclip_core.files import atomic_path
from timbreclip_core.stems import PhraseSet, stems
from timbreclip_train import text
from timbreclip_train.text.draw import draw

TABLE = Path(text.__file__).parent / "data" / "wordings.tsv"
LEAST = 8
Row = tuple[str, str, str]  # concept, form, wording


def main() -> None:
    """Read, add, draw, write."""
    comments, rows = _read(TABLE)
    lines = [line for name in sys.argv[1:] for line in Path(name).read_text("utf-8").splitlines()]
    kept = _together(rows, [_row(line.split("\t")) for line in lines if line.strip()])
    said: dict[str, list[str]] = {}
    for concept, _, wording in kept:
        said.setdefault(concept, []).append(wording)
    held = draw(said)
    kept = _trimmed(_without_near_misses(kept, held), held)
    lines = [
        f"{c}\t{'held_out' if wording in held[c] else 'train'}\t{form}\t{wording}"
        for c, form, wording in sorted(
            kept, key=lambda r: (list(said).index(r[0]), r[2] in held[r[0]])
        )
    ]
    with atomic_path(TABLE) as temporary:
        temporary.write_text("\n".join([*comments, *lines]) + "\n", "utf-8")
    out = sum(len(texts) for texts in held.values())
    sys.stderr.write(f"{len(kept)} wordings of {len(said)} concepts, {out} held out\n")


def _read(path: Path) -> tuple[list[str], list[Row]]:
    lines = path.read_text("utf-8").splitlines()
    comments = [line for line in lines if line.startswith("#")]
    cells = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return comments, [(c, form, wording) for c, _, form, wording in cells]


def _row(cells: list[str]) -> Row:
    concept, form, wording = (cell.strip() for cell in cells)
    return concept, form, wording


def _together(rows: list[Row], new: list[Row]) -> list[Row]:
    """Each wording once and of one concept: of those that two ask for, neither gets it."""
    owners: dict[str, set[str]] = {}
    for concept, _, wording in new:
        owners.setdefault(_plain(wording), set()).add(concept)
    there = {_plain(row[2]) for row in rows}
    added = {
        _plain(row[2]): row
        for row in new
        if len(owners[_plain(row[2])]) == 1 and _plain(row[2]) not in there and stems(row[2])
    }
    allowed = [
        row
        for row in (*rows, *added.values())
        if row[2] == row[0] or not lexicon.mentions_held_out(row[2])
    ]
    order = {name: i for i, name in enumerate(text.concept_names())}
    return sorted(allowed, key=lambda row: (order[row[0]], row[2] != row[0]))


def _plain(wording: str) -> str:
    return text.singular(" ".join(wording.lower().replace("-", " ").split()))


def _without_near_misses(rows: list[Row], held: dict[str, frozenset[str]]) -> list[Row]:
    """Without training wordings that a held-out one hides in; there are few, the draw avoids it."""
    phrases = PhraseSet(wording for texts in held.values() for wording in texts)
    return [r for r in rows if r[2] in held[r[0]] or r[2] == r[0] or r[2] not in phrases]


def _trimmed(rows: list[Row], held: dict[str, frozenset[str]]) -> list[Row]:
    """Without the last training wordings where less than a third could be held out."""
    found: list[Row] = []
    for name in held:
        own = [row for row in rows if row[0] == name]
        taught = [row for row in own if row[2] not in held[name]]
        found += taught[: max(2 * len(held[name]), LEAST - len(held[name]))]
        found += [row for row in own if row[2] in held[name]]
    return found


if __name__ == "__main__":
    main()
