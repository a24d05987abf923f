"""Tables of measures: for the terminal, Markdown, LaTeX and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from .ranking import CUTOFFS, Estimate, Rankings, per_query, summarise

PAPER_LABELS = {"title": "title + category", "title+category": "title"}
PAPER_NOTE = (
    "paper-compat: R@K counts the first K + 1 documents, and the blocks title and title+category "
    "bear the labels that table 1 of the paper printed, which are swapped."
)


@dataclass(frozen=True)
class Row:
    """One model (or bound) on one task.

    Args:
        model: Its id, ``random`` or ``perfect``.
        measures: Estimates by name; for ``random`` mean and +- two standard deviations over runs.
    """

    model: str
    measures: dict[str, Estimate]


@dataclass(frozen=True)
class Block:
    """One query kind in one direction.

    Args:
        kind: Of the queries.
        direction: ``text to patch``, ``audio to text per note`` or ``audio to text per patch``.
        queries: How many.
        documents: How many.
        rows: The model's, then ``random`` and ``perfect``.
        by_category: Mean rank of the first relevant document by category of the query's patch.
    """

    kind: str
    direction: str
    queries: int
    documents: int
    rows: tuple[Row, ...]
    by_category: dict[str, float] = field(default_factory=dict)


def make_block(
    kind: str,
    direction: str,
    model: str,
    rankings: Rankings,
    bounds: tuple[Rankings, Sequence[Rankings]],
    *,
    paper_compat: bool = False,
) -> Block:
    """Measures of a model beside the bounds."""
    best, random = bounds
    rows = [
        Row(model, summarise(per_query(rankings, paper_compat=paper_compat))),
        Row("random", _over_runs(random, paper_compat)),
        Row("perfect", _exact(best, paper_compat)),
    ]
    label = PAPER_LABELS.get(kind, kind) if paper_compat else kind
    return Block(label, direction, len(rankings.queries), rankings.documents, tuple(rows))


def _over_runs(runs: Sequence[Rankings], paper_compat: bool) -> dict[str, Estimate]:
    table = [
        {k: float(v.mean()) for k, v in per_query(r, paper_compat=paper_compat).items()}
        for r in runs
    ]
    found = {}
    for name in table[0]:
        values = np.array([row[name] for row in table])
        mean, spread = float(values.mean()), 2 * float(values.std(ddof=1))
        found[name] = Estimate(mean, mean - spread, mean + spread)
    return found


def _exact(rankings: Rankings, paper_compat: bool) -> dict[str, Estimate]:
    measures = per_query(rankings, paper_compat=paper_compat)
    return {k: Estimate(*[float(v.mean())] * 3) for k, v in measures.items()}


def columns() -> list[tuple[str, str, float, int]]:
    """Measure, heading, factor and decimals of the columns of a table."""
    recall = [(f"recall@{k}", f"R@{k}", 100.0, 3) for k in CUTOFFS]
    hit = [(f"hit@{k}", f"hit@{k}", 100.0, 1) for k in CUTOFFS]
    return [*recall, *hit, ("rank", "RANK", 1.0, 1), ("mrr", "MRR", 1.0, 3), ("map", "mAP", 1.0, 3)]


def as_table(blocks: Sequence[Block], style: str = "text") -> str:
    """The blocks as a table.

    Args:
        blocks: From ``make_block``.
        style: ``text``, ``markdown`` or ``latex``.
    """
    lines: list[str] = []
    for block in blocks:
        caption = f"{block.kind}, {block.direction}"
        caption += f" ({block.queries} queries, {block.documents} documents)"
        cells = [["model", *(c[1] for c in columns())]]
        cells += [[row.model, *(_cell(row, c) for c in columns())] for row in block.rows]
        lines += _STYLES[style](caption, cells)
    return "\n".join(lines)


def _cell(row: Row, column: tuple[str, str, float, int]) -> str:
    name, _, factor, decimals = column
    return f"{row.measures[name].mean * factor:.{decimals}f}"


def _text(caption: str, cells: list[list[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    rows = ["  ".join([r[0].ljust(widths[0]), *map(str.rjust, r[1:], widths[1:])]) for r in cells]
    return [caption.upper(), *rows, ""]


def _markdown(caption: str, cells: list[list[str]]) -> list[str]:
    head, *rows = (f"| {' | '.join(row)} |" for row in cells)
    rule = f"|---|{'---:|' * (len(cells[0]) - 1)}"
    return [f"**{caption}**", "", head, rule, *rows, ""]


def _latex(caption: str, cells: list[list[str]]) -> list[str]:
    width = len(cells[0])
    escaped = [[c.replace("_", r"\_").replace("%", r"\%") for c in row] for row in cells]
    head, *rows = (" & ".join(row) + r" \\" for row in escaped)
    return [
        rf"\begin{{tabular}}{{l{'r' * (width - 1)}}}",
        rf"\multicolumn{{{width}}}{{l}}{{{caption}}} \\ \hline",
        head + r" \hline",
        *rows,
        r"\end{tabular}",
        "",
    ]


_STYLES = {"text": _text, "markdown": _markdown, "latex": _latex}
STYLES = tuple(_STYLES)


def as_record(block: Block) -> dict[str, Any]:
    """A block for JSON."""
    return asdict(block)
