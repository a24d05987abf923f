"""mda-lv2: the presets of JX10, DX10, EPiano and Piano, played as LV2 plugins."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from . import hosts
from .base import Audio, MissingSynthError, NoteSpec, Preset, Renderer, RenderError
from .names import slug

SOURCE = "mda"
BUNDLE = Path("/usr/lib/lv2/mda.lv2")
URI = "http://drobilla.net/plugins/mda/"
# DX10 and JX10 are synthesisers for all sorts of sounds; the others play one instrument.
CATEGORIES = {"DX10": None, "EPiano": "electric piano", "JX10": None, "Piano": "piano"}


@dataclass(frozen=True)
class Port:
    """One port of a plugin, as its description says."""

    index: int
    symbol: str
    kind: str
    default: float


class MdaRenderer(Renderer):
    """The named presets of the four instruments that have any."""

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        self._bundle = Path((options or {}).get("root", BUNDLE))
        self._hosts: dict[tuple[str, int], hosts.Host] = {}

    def check(self) -> None:
        if not (self._bundle / "JX10-presets.ttl").is_file():
            raise MissingSynthError("mda-lv2", ("mda-lv2",))
        hosts.build_host(hosts.LV2)

    def presets(self) -> list[Preset]:
        found = []
        for synth, category in CATEGORIES.items():
            text = (self._bundle / f"{synth}-presets.ttl").read_text("utf-8")
            for name, values in read_presets(text):
                # Two of them only say what they change.
                full = f"{name} {category}" if category == "electric piano" else name
                found.append(
                    Preset(
                        id=f"mda-{slug(synth)}-{slug(name)}",
                        source=SOURCE,
                        collection=synth,
                        name=full,
                        category=category,
                        author="Paul Kellett",
                        licence="GPL-3.0-or-later",
                        payload={"synth": synth, "values": values},
                    )
                )
        return found

    def render(self, preset: Preset, notes: list[NoteSpec], sample_rate: int) -> list[Audio]:
        synth = preset.payload["synth"]
        ports = read_ports((self._bundle / f"{synth}.ttl").read_text("utf-8"))
        numbers = {port.symbol: port.index for port in ports if port.kind == "control"}
        values = preset.payload["values"]
        request = hosts.Request(controls={numbers[s]: v for s, v in values.items() if s in numbers})
        try:
            return self._host(synth, ports, sample_rate).play(request, notes, sample_rate)
        except RenderError:
            self.close()
            raise

    def close(self) -> None:
        for host in self._hosts.values():
            host.close()
        self._hosts.clear()

    def _host(self, synth: str, ports: list[Port], sample_rate: int) -> hosts.Host:
        key = (synth, sample_rate)
        if key not in self._hosts:
            start = [str(self._bundle / f"{synth}.so"), URI + synth, str(sample_rate)]
            limits = [str(hosts.BLOCK_FRAMES), str(hosts.CPU_SECONDS)]
            self._hosts[key] = hosts.Host(
                hosts.build_host(hosts.LV2), [*start, *limits, *port_arguments(ports)]
            )
        return self._hosts[key]


def port_arguments(ports: list[Port]) -> list[str]:
    """How the host is told what each port is."""
    outputs = iter(("left", "right"))
    arguments = []
    for port in ports:
        if port.kind == "audio":
            arguments.append(f"{port.index}:{next(outputs)}")
        elif port.kind == "midi":
            arguments.append(f"{port.index}:midi")
        else:
            arguments.append(f"{port.index}:control:{port.default:g}")
    return arguments


def read_ports(text: str) -> list[Port]:
    """Ports of a plugin from its Turtle file, which is laid out as mda-lv2 lays it out."""
    found = []
    # Text in triple quotes may hold brackets.
    plain = re.sub(r'"""(.|\n)*?"""', '""', text)
    for block in re.findall(r"\[([^\[\]]*lv2:index[^\[\]]*)\]", plain):
        number = re.search(r"lv2:index\s+(\d+)", block)
        symbol = re.search(r'lv2:symbol\s+"([^"]+)"', block)
        default = re.search(r"lv2:default\s+([-\d.eE]+)", block)
        kind = "control"
        if "lv2:AudioPort" in block:
            kind = "audio"
        elif "atom:AtomPort" in block:
            kind = "midi"
        if number and symbol:
            value = float(default.group(1)) if default else 0.0
            found.append(Port(int(number.group(1)), symbol.group(1), kind, value))
    return sorted(found, key=lambda p: p.index)


def read_presets(text: str) -> list[tuple[str, dict[str, float]]]:
    """Name and values of each preset in a Turtle file."""
    found = []
    for block in text.split("a pset:Preset")[1:]:
        label = re.search(r'rdfs:label\s+"([^"]+)"', block)
        pairs = re.findall(r'lv2:symbol\s+"([^"]+)"\s*;\s*pset:value\s+([-\d.eE]+)', block)
        if label and pairs:
            found.append((label.group(1), {symbol: float(value) for symbol, value in pairs}))
    return found
