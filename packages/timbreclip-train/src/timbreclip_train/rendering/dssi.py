"""DSSI synthesisers: the banks of amsynth and of WhySynth."""

from __future__ import annotations

import functools
import re
import subprocess
import urllib.parse
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path

from timbreclip_train.splits import keep_guarded, split_of

from . import hosts
from .base import Audio, MissingSynthError, NoteSpec, Preset, Renderer, RenderError
from .names import slug

SOURCE = "dssi"
PLUGINS = {
    "amsynth": (Path("/usr/lib/dssi/amsynth_dssi.so"), "amsynth"),
    "whysynth": (Path("/usr/lib/dssi/whysynth.so"), "WhySynth"),
}
AMSYNTH_BANKS = Path("/usr/share/amsynth/banks")
WHYSYNTH_BANKS = Path("/usr/share/whysynth")
# The files named version_* are earlier states of the default bank.
WHYSYNTH_FILES = ("current_default_patches", "more_K4_interpretations")
UNNAMED = ("", "New Preset", "YouPickWhich")
PROGRAMS_PER_BANK = 128
# A category in brackets is a note of the author, "Xsynth" the synthesiser that a patch came from.
NO_CATEGORY = re.compile(r"\[.*\]|Xsynth")
K4 = "[K4oid]"
NOT_FOR_PLAYING = ("[test]", "[devel]")
# Headlines between the patches of a bank, and what a new patch starts from.
NO_PATCH = re.compile(r"\W*|={3,}.*|-.*|.*\binit(ial)?\b.*", re.IGNORECASE)


class DssiRenderer(Renderer):
    """All distinct presets of the installed synthesisers."""

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        del options
        self._hosts: dict[tuple[str, int], hosts.Host] = {}

    def check(self) -> None:
        for synth, (plugin, _) in PLUGINS.items():
            if not plugin.is_file():
                raise MissingSynthError(synth, tuple(PLUGINS))
        hosts.build_host(hosts.DSSI)

    def presets(self) -> list[Preset]:
        return [*amsynth_presets(AMSYNTH_BANKS), *whysynth_presets(WHYSYNTH_BANKS)]

    def render(self, preset: Preset, notes: list[NoteSpec], sample_rate: int) -> list[Audio]:
        p = preset.payload
        if p["synth"] == "amsynth":
            ports = control_ports("amsynth")
            known = {ports[n]: v for n, v in p["parameters"].items() if n in ports}
            request = hosts.Request(controls=known)
        else:
            request = hosts.Request(
                configure=(("load", p["file"]),),
                program=divmod(p["number"], PROGRAMS_PER_BANK),
            )
        try:
            return self._host(p["synth"], sample_rate).play(request, notes, sample_rate)
        except RenderError:
            self.close()
            raise

    def close(self) -> None:
        for host in self._hosts.values():
            host.close()
        self._hosts.clear()

    def _host(self, synth: str, sample_rate: int) -> hosts.Host:
        key = (synth, sample_rate)
        if key not in self._hosts:
            plugin, label = PLUGINS[synth]
            start = [str(plugin), label, str(sample_rate), str(hosts.BLOCK_FRAMES)]
            program = hosts.build_host(hosts.DSSI)
            self._hosts[key] = hosts.Host(program, [*start, str(hosts.CPU_SECONDS)])
        return self._hosts[key]


@functools.cache
def control_ports(synth: str) -> dict[str, int]:
    """Name to number of a plugin's control inputs."""
    plugin, label = PLUGINS[synth]
    command = [str(hosts.build_host(hosts.DSSI)), str(plugin), label, "ports"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = (line.split(" ", 2) for line in listed.splitlines())
    return {name: int(number) for number, _, name in lines}


def amsynth_presets(folder: Path) -> list[Preset]:
    """All named presets of the bank files in a folder; equal ones once."""
    found = []
    for path in sorted(folder.glob("*.bank")):
        bank = path.name.split(".")[0]
        blocks = path.read_text("utf-8", "replace").split("<preset>")[1:]
        for number, block in enumerate(blocks):
            if preset := _amsynth_preset(bank, number, block):
                found.append(preset)
    return _distinct(found, lambda p: tuple(sorted(p.payload["parameters"].items())))


def _amsynth_preset(bank: str, number: int, block: str) -> Preset | None:
    named = re.search(r"<name>[ \t]*([^\n]*)", block)
    name = named.group(1).strip() if named else ""
    pairs = re.findall(r"<parameter>\s*(\S+)\s+(\S+)", block)
    if name in UNNAMED or not pairs:
        return None
    return Preset(
        id=f"amsynth-{slug(bank)}-{number:03d}",
        source=SOURCE,
        collection=f"amsynth/{bank}",
        name=name,
        licence="GPL-2.0-or-later",
        payload={"synth": "amsynth", "parameters": {key: float(v) for key, v in pairs}},
    )


def whysynth_presets(folder: Path) -> list[Preset]:
    """All patches of WhySynth's own bank and of its Kawai K4 bank; equal ones once."""
    found = []
    for name in WHYSYNTH_FILES:
        path = folder / f"{name}.WhySynth"
        if path.is_file():
            text = path.read_text("utf-8", "replace")
            pattern = r"WhySynth patch format \d+ begin\n(.*?)WhySynth patch end"
            for number, patch in enumerate(re.findall(pattern, text, re.DOTALL)):
                if preset := _whysynth_preset(path, number, patch):
                    found.append(preset)
    return _distinct(found, lambda p: p.payload["sound"])


def _whysynth_preset(path: Path, number: int, patch: str) -> Preset | None:
    lines = [line.partition(" ") for line in patch.splitlines()]
    words = {k: urllib.parse.unquote(v).strip() for k, _, v in lines if k in _WORDS}
    category = words.get("category", "")
    name = re.sub(r"^(K4ish|K4oid|X):\s*", "", words.get("name", ""))
    if NO_PATCH.fullmatch(name) or category in NOT_FOR_PLAYING:
        return None
    # K4 patches of the default bank belong with the K4 bank: one test collection.
    collection = "K4oid" if category == K4 else path.stem
    author = re.search(r"[Cc]ontributed by ([^()]+)", words.get("comment", ""))
    return Preset(
        id=f"whysynth-{slug(path.stem)}-{number:03d}",
        source=SOURCE,
        collection=f"whysynth/{collection}",
        name=name,
        category=None if not category or NO_CATEGORY.fullmatch(category) else category,
        author=author.group(1).strip() if author else "Sean Bolton",
        licence="public domain",
        payload={
            "synth": "whysynth",
            "file": str(path),
            "number": number,
            "sound": tuple(k + v for k, _, v in lines if k not in _WORDS),
        },
    )


_WORDS = ("name", "category", "comment")


def _distinct(presets: list[Preset], key: Callable[[Preset], Hashable]) -> list[Preset]:
    """Each sound once: the copy on the side that training must not see, else the first."""
    order = sorted(presets, key=lambda p: keep_guarded(split_of(SOURCE, p.collection)))
    kept = {key(p): p.id for p in reversed(order)}
    ids = set(kept.values())
    return [p for p in presets if p.id in ids]
