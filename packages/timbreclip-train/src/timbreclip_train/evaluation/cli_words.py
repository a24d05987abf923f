"""``tclip eval attributes | plurals``: do words mean what they should?"""

from __future__ import annotations

from typing import Any

import click

from timbreclip_core.cli.options import echo_json, json_option, model_option
from timbreclip_core.errors import UsageError

from .options import Asked, data_options, hear_options


@click.command("attributes")
@data_options
@click.option("--sounds", type=click.IntRange(1), default=10, show_default=True, help="For the EQ.")
@click.option(
    "--words",
    type=click.IntRange(1),
    help="For the EQ, draw so many words beside bright, dark, warm ..., not all.",
)
@click.option("--no-eq", is_flag=True, help="Leave the EQ out; it takes longest.")
@model_option
@json_option
def attributes_command(sounds: int, words: int | None, no_eq: bool, **rest: Any) -> None:
    """Do words mean what the timbre lexicon says?

    Rank correlation of words with their descriptors, tags, and the direction of a 10-band EQ fitted
    to a word; words seen in training and held-out ones apart.
    """
    from .attributes import lexicon_of

    asked = hear_options(rest)
    record: dict[str, Any] = {"model": asked.model.id, "notes": len(asked.heard.notes)}
    record["lexicon"] = lexicon_of(asked.model)
    record |= _word_scores(asked, None if no_eq else sounds, words)
    record["tags"] = _tags(asked)
    if rest["as_json"]:
        echo_json(record)
    else:
        click.echo(_attribute_lines(record))


def _word_scores(asked: Asked, sounds: int | None, words: int | None) -> dict[str, Any]:
    from .attributes import (
        correlate,
        descriptor_store,
        eq_directions,
        measure_notes,
        spread_sounds,
        summary,
    )

    heard, model, store = asked.heard, asked.model, descriptor_store(asked.cache)
    measured = measure_notes(asked.dataset, heard.notes, store, jobs=asked.jobs)
    scores = {"correlation": correlate(heard.vectors["text"], model, measured)}
    if sounds is not None:
        chosen = spread_sounds(heard, asked.dataset, model, sounds)
        scores["eq"] = eq_directions(model, chosen, limit=words, jobs=asked.jobs)
    return {
        name: {**summary(found), "words": [vars(s) for s in found]}
        for name, found in scores.items()
    }


def _tags(asked: Asked) -> dict[str, Any] | None:
    from .attributes import tag_scores

    try:
        return tag_scores(asked.heard, asked.model)
    except UsageError as error:
        click.echo(f"Tags are left out: {error}", err=True)
        return None


def _attribute_lines(record: dict[str, Any]) -> str:
    from .attributes import SINGLED_OUT

    lines = []
    titles = {"correlation": "rank correlation", "eq": "EQ moves the right way"}
    for name, title in titles.items():
        if name in record:
            r = record[name]
            seen, held_out = (f"{r[k]:.3f} {_counts(r, k)}" for k in ("seen", "held_out"))
            lines.append(
                f"{title}: {seen}over {r['seen_words']} words of training, "
                f"{held_out}over {r['held_out_words']} held-out words"
            )
            shown = {w["word"]: w for w in r["words"]}
            picked = [shown[w] for w in SINGLED_OUT if w in shown]
            lines.append("  " + ", ".join(map(_one_word, picked)))
    lines.append(f"held-out words: {record['lexicon']['note']}")
    if tags := record["tags"]:
        lines.append(
            f"tags: AUC {tags['auc']:.3f}, mAP {tags['map']:.3f} (chance {tags['chance_map']:.3f}) "
            f"over {tags['tags']} tags"
        )
    return "\n".join(lines)


def _counts(found: dict[str, Any], group: str) -> str:
    if f"{group}_total" not in found:
        return ""
    return f"({found[f'{group}_right']} of {found[f'{group}_total']}) "


def _one_word(score: dict[str, Any]) -> str:
    counts = "" if score["total"] is None else f" ({score['right']} of {score['total']})"
    return f"{score['word']} {score['value']:.2f}{counts}"


@click.command("plurals")
@model_option
@json_option
def plurals_command(model_name: str, device: str, precision: str, as_json: bool) -> None:
    """Are singular and plural of a tag or category the same to the model?

    Cosine of the two texts, for every tag and category whose singular and plural differ.
    """
    from timbreclip_core import load_model

    from .plurals import compare_numbers, record_of

    model = load_model(model_name, device=device, precision=precision)
    record = {"model": model.id, **record_of(compare_numbers(model))}
    if as_json:
        echo_json(record)
        return
    worst = record["pairs"][0]
    click.echo(
        f"cosine of singular and plural: worst {record['worst']:.3f} "
        f"({worst['singular']} / {worst['plural']}), mean {record['mean']:.3f} "
        f"over {len(record['pairs'])} pairs"
    )


COMMANDS = (attributes_command, plurals_command)
