"""What effects do to the words for a sound; no torch here, since listing effects reads it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class EffectWords:
    """Words that become more or less true as an effect's level rises.

    Args:
        more: What it makes a sound, the plainest word first.
        less: What a sound no longer is, or is less.
        tails: How to say it after the name of a sound, when slight, clear and strong.
        levels: From which level it is slight, clear and strong.
        strongly: What stands before a word of ``more`` when the effect is strong.
    """

    more: tuple[str, ...]
    less: tuple[str, ...]
    tails: tuple[str, str, str]
    levels: tuple[float, float, float]
    strongly: str = "very"

    def degree(self, level: float) -> int:
        """0 for not audible, 1 for slight, 2 for clear, 3 for strong."""
        return sum(level >= start for start in self.levels)

    def at(self, level: float) -> tuple[str, ...]:
        """What is true of a sound with the effect at ``level``, from 0 to 1.

        >>> WORDS["low-pass"].at(0.0)
        ()
        >>> WORDS["low-pass"].at(0.3)[0], WORDS["low-pass"].at(0.5)[0]
        ('slightly muffled', 'muffled')
        """
        degree = self.degree(level)
        if degree == 0:
            return ()
        plain = () if degree == 1 else self.more
        prefix = {1: "slightly ", 2: "", 3: f"{self.strongly} "}[degree]
        graded = tuple(prefix + word for word in self.more)
        return tuple(dict.fromkeys((*graded, *plain, self.tails[degree - 1])))

    def no_longer(self, level: float) -> tuple[str, ...]:
        """What is no longer true of it; empty while the effect is not audible."""
        return self.less if self.degree(level) else ()


WORDS = {
    "low-pass": EffectWords(
        more=("muffled", "dark", "dull"),
        less=("bright", "brilliant", "crisp", "airy", "sharp", "sparkling", "harsh", "tinny"),
        tails=("with softened highs", "with the highs rolled off", "with hardly any highs"),
        levels=(0.25, 0.4, 0.7),
    ),
    "high-pass": EffectWords(
        more=("thin", "tinny", "light"),
        less=("warm", "full", "bassy", "boomy", "deep", "heavy", "dark", "fat"),
        tails=("with lighter lows", "with the lows cut", "with hardly any lows"),
        levels=(0.4, 0.55, 0.8),
    ),
    "distortion": EffectWords(
        more=("distorted", "overdriven", "gritty", "fuzzy"),
        less=("clean", "pure", "smooth", "mellow", "soft", "gentle"),
        tails=("with a little drive", "with distortion", "with heavy distortion"),
        levels=(0.15, 0.35, 0.7),
        strongly="heavily",
    ),
    "bitcrush": EffectWords(
        more=("bitcrushed", "lo-fi", "gritty", "crunchy"),
        less=("clean", "pure", "smooth", "hi-fi", "natural"),
        tails=("through light bitcrushing", "through a bitcrusher", "crushed to a few bits"),
        levels=(0.4, 0.6, 0.85),
        strongly="heavily",
    ),
    "chorus": EffectWords(
        more=("chorused", "lush", "swirling"),
        less=("dry", "static", "steady"),
        tails=("with a little chorus", "with chorus", "with deep chorus"),
        levels=(0.1, 0.3, 0.8),
        strongly="deeply",
    ),
    "tremolo": EffectWords(
        more=("pulsing", "throbbing", "tremulous"),
        less=("steady", "static", "constant"),
        tails=("with a slight tremolo", "with tremolo", "with deep tremolo"),
        levels=(0.15, 0.35, 0.75),
        strongly="strongly",
    ),
    "vibrato": EffectWords(
        more=("wavering", "wobbly", "quivering"),
        less=("steady", "static", "straight"),
        tails=("with a slight vibrato", "with vibrato", "with deep vibrato"),
        levels=(0.1, 0.25, 0.7),
        strongly="strongly",
    ),
    "reverb": EffectWords(
        more=("reverberant", "spacious", "roomy"),
        less=("dry", "close", "tight", "intimate"),
        tails=("with a little reverb", "with reverb", "with long, heavy reverb"),
        levels=(0.1, 0.3, 0.75),
    ),
    "echo": EffectWords(
        more=("echoing", "repeating"),
        less=("dry", "tight"),
        tails=("with a faint echo", "with echoes", "with loud echoes"),
        levels=(0.1, 0.3, 0.75),
        strongly="strongly",
    ),
}
"""Of core's own effects, by name."""
