"""What the judges say, for people."""

from __future__ import annotations

from collections.abc import Iterator

from .scores import BAR_WORDS, MOST, PairScore, Verdict


def text(verdict: Verdict) -> str:
    """One EQ's tables, with the counts against the bars on top."""
    return "\n".join(_lines(verdict))


def _lines(verdict: Verdict) -> Iterator[str]:
    s = verdict.summary()
    yield f"EQ {verdict.eq}"
    words, right = s["words"], s["words_right"]
    if words:
        bar = f"; bar {BAR_WORDS} of 16" if words == 16 else ""
        yield f"  right direction on {MOST:.0%} of the sounds: {right} of {words} words{bar}"
    if s["pairs"]:
        yield (
            f"  opposite words with opposite curves: {s['pairs_negative']} of {s['pairs']} pairs, "
            f"mean correlation {s['antonym_correlation']:+.2f}; bar all"
        )
    if s["synonyms"]:
        yield (
            f"  like words with like curves: {s['synonyms_positive']} of {s['synonyms']} pairs, "
            f"mean correlation {s['synonym_correlation']:+.2f}"
        )
    if verdict.human:
        yield (
            f"  people's curves: {s['human_words']} words, {verdict.bands} bands, correlation "
            f"{s['human_correlation']:+.2f}; mean curve of the other words "
            f"{s['human_mean_curve']:+.2f}, best tilt {s['human_best_tilt']:+.2f}"
        )
    shape = verdict.shape
    yield (
        f"  curves: {shape.steepness_db_per_octave:.1f} dB per octave steep, "
        f"{shape.height_db:.1f} dB high on average; similarity {shape.similarity_gain:+.2f}"
    )
    yield from _directions(verdict)
    for title, pairs in (("antonyms", verdict.antonyms), ("synonyms", verdict.synonyms)):
        yield from _pairs(title, pairs)
    yield from _people(verdict)


def _directions(verdict: Verdict) -> Iterator[str]:
    if not verdict.directions:
        return
    yield f"\n  {'word':24}{'descriptor':24}{'right':>10}  {'moved (sd)':>16}  wrong on"
    for d in verdict.directions:
        moved = f"{d.moved.mean:+.2f} ({d.moved.deviation:.2f})"
        mark = " " if d.passed else "*"
        held = " (held out)" if d.held_out else ""
        count = f"{d.right} of {d.total}{mark}"
        wrong = ", ".join(d.wrong)
        yield f"  {d.word + held:24}{d.descriptor:24}{count:>11} {moved:>16}  {wrong}".rstrip()


def _pairs(title: str, pairs: tuple[PairScore, ...]) -> Iterator[str]:
    if not pairs:
        return
    yield f"\n  {title:28}{'r (sd)':>16}{'lowest':>9}{'highest':>9}{'below 0':>10}"
    for p in pairs:
        c = p.correlation
        mean = f"{c.mean:+.2f} ({c.deviation:.2f})"
        below = f"{p.negative} of {p.total}"
        yield f"  {p.first + ', ' + p.second:28}{mean:>16}{c.low:>+9.2f}{c.high:>+9.2f}{below:>10}"


def _people(verdict: Verdict) -> Iterator[str]:
    if not verdict.human:
        return
    yield f"\n  {'word':16}{'people':>7}{'r (sd)':>16}{'mean curve':>12}{'best tilt':>11}"
    for h in verdict.human:
        mean = f"{h.correlation.mean:+.2f} ({h.correlation.deviation:.2f})"
        yield f"  {h.word:16}{h.people:>7}{mean:>16}{h.mean_curve:>+12.2f}{h.best_tilt:>+11.2f}"
