"""ZynAddSubFX: the instrument banks of ZynAddSubFX and Yoshimi.

The plugin takes its whole state as one XML text. A master state with one part and no effects is
made from an example that comes with the banks, and the instrument put into it.
"""

from __future__ import annotations

import copy
import functools
import gzip
import hashlib
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from timbreclip_train.splits import keep_guarded, split_of

from . import hosts
from .base import Audio, MissingSynthError, NoteSpec, Preset, Renderer, RenderError
from .general_midi import family
from .names import slug

SOURCE = "zynaddsubfx"
PLUGIN = Path("/usr/lib/lv2/ZynAddSubFX.lv2/ZynAddSubFX.so")
URI = "http://zynaddsubfx.sourceforge.net"
BANKS = (Path("/usr/share/zynaddsubfx/banks"), Path("/usr/share/yoshimi/banks"))
TEMPLATE = Path("/usr/share/zynaddsubfx/examples/Saw.xmz")
PACKAGES = ("zynaddsubfx-lv2", "zynaddsubfx-data", "yoshimi-data")
PORTS = ("0:left", "1:right", "2:midi", "3:atom", *(f"{i}:control:0.5" for i in range(4, 20)))
"""Audio out, events in and out, and the sixteen automation slots with their default."""
DEFAULT_LICENCE = "GPL-2.0-or-later"

# As the names in Yoshimi's banks show; -1, -4 and -5 are too mixed to say.
_YOSHIMI_KINDS = {-2: "choir", -3: "bell", -6: "voice"}
_LICENCES = (
    (r"L\s*GPL|LPGL|LGLP", "LGPL-2.0-or-later"),
    (r"GPL\s*v?\s*3", "GPL-3.0-only"),
    (r"GPL\s*v?\s*2\s*or later", "GPL-2.0-or-later"),
    (r"GPL\s*v?\s*2", "GPL-2.0-only"),
    (r"CC-?0|public domain", "CC0-1.0"),
    (r"CC[- ]BY[- ]SA", "CC-BY-SA"),
    (r"CC[- ]BY", "CC-BY"),
)


@dataclass(frozen=True)
class Instrument:
    """One bank entry and what it says of itself."""

    path: Path
    root: str
    bank: str
    name: str
    category: str | None
    author: str
    comments: str
    digest: str


class ZynAddSubFXRenderer(Renderer):
    """All distinct instruments of the installed banks.

    Args:
        options: ``banks``: another folder of banks to use instead.
    """

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        banks = (options or {}).get("banks")
        self._banks = (Path(banks),) if banks else BANKS
        self._host: hosts.Host | None = None
        self._rate = 0

    def check(self) -> None:
        for path in (PLUGIN, TEMPLATE, *self._banks[:1]):
            if not path.exists():
                raise MissingSynthError(f"ZynAddSubFX ({path})", PACKAGES)
        hosts.build_host(hosts.LV2)

    def presets(self) -> list[Preset]:
        found = _without_copies([i for root in self._banks for i in _instruments(root)])
        # Equal instruments are kept once, on the side that training must not see.
        found.sort(key=lambda i: keep_guarded(split_of(SOURCE, i.bank)))
        distinct = {i.digest: i for i in reversed(found)}
        kept = sorted(distinct.values(), key=lambda i: (i.root, i.bank, i.path.name))
        return [_preset(i) for i in kept]

    def render(self, preset: Preset, notes: list[NoteSpec], sample_rate: int) -> list[Audio]:
        if self._host is None or self._rate != sample_rate:
            self.close()
            self._rate = sample_rate
            program = hosts.build_host(hosts.LV2)
            start = [str(PLUGIN), URI, str(sample_rate), str(hosts.BLOCK_FRAMES)]
            self._host = hosts.Host(program, [*start, str(hosts.CPU_SECONDS), *PORTS])
        request = hosts.Request(state=master_state(Path(preset.payload["path"])))
        try:
            return self._host.play(request, notes, sample_rate)
        except RenderError:
            self.close()
            raise

    def close(self) -> None:
        if self._host is not None:
            self._host.close()
        self._host = None


def _without_copies(found: list[Instrument]) -> list[Instrument]:
    """Without training's editions of instruments that are in a bank which it must not see."""
    guarded = {_work(i) for i in found if split_of(SOURCE, i.bank) != "train"}
    return [
        i
        for i in found
        if split_of(SOURCE, i.bank) != "train" or not i.author or _work(i) not in guarded
    ]


def _work(instrument: Instrument) -> tuple[str, str]:
    """Name and author as letters and digits alone; a licence may stand below the author."""
    return slug(instrument.name), slug(instrument.author.partition("\n")[0])


def _preset(i: Instrument) -> Preset:
    return Preset(
        id=f"zyn-{slug(i.root)[0]}-{slug(i.bank)}-{slug(i.path.stem)}-{i.digest[:6]}",
        source=SOURCE,
        collection=i.bank,
        name=i.name,
        category=i.category,
        tags=(i.comments,) if i.comments else (),
        author=i.author.split("\n")[0].strip(),
        licence=licence_of(f"{i.author}\n{i.comments}"),
        payload={"path": str(i.path)},
    )


def licence_of(text: str) -> str:
    """Licence that an author states in a free field; the banks' own if none."""
    for pattern, licence in _LICENCES:
        if re.search(pattern, text, re.IGNORECASE):
            return licence
    return DEFAULT_LICENCE


def read_xml(path: Path) -> ET.Element:
    """Root of an instrument or master file, packed or not.

    Raises:
        RenderError: If it is damaged.
    """
    data = path.read_bytes()
    try:
        data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        # Yoshimi starts its files with an empty line, which XML forbids.
        return ET.fromstring(data.strip())
    except (ET.ParseError, OSError, EOFError) as error:
        raise RenderError(f"{path} is damaged: {error}") from error


def _instruments(root: Path) -> list[Instrument]:
    found = []
    for path in sorted(root.glob("*/*.xiz")):
        try:
            element = read_xml(path).find(".//INSTRUMENT")
        except RenderError:
            continue
        if element is not None:
            found.append(_read(path, root, element))
    return found


def _read(path: Path, root: Path, element: ET.Element) -> Instrument:
    texts = {e.get("name"): (e.text or "").strip() for e in element.findall("INFO/string")}
    kinds = [e.get("value") for e in element.findall("INFO/par") if e.get("name") == "type"]
    kind = int(kinds[0] or 0) if kinds else 0
    from_file = re.sub(r"^\d+-", "", path.stem).replace("_", " ").strip()
    comments = texts.get("comments", "")
    return Instrument(
        path=path,
        root=root.parent.name,
        bank=path.parent.name,
        name=texts.get("name") or from_file,
        category=_category(kind),
        author=texts.get("author", ""),
        comments=re.sub(r"\s+", " ", comments),
        digest=hashlib.sha256(repr(_canonical(element)).encode()).hexdigest(),
    )


def _category(kind: int) -> str | None:
    """Kinds 1 to 16 are the families of General MIDI; Yoshimi adds some below 0."""
    return family(8 * (kind - 1)) if 1 <= kind <= 16 else _YOSHIMI_KINDS.get(kind)


def _canonical(element: ET.Element) -> tuple[object, ...]:
    """What an instrument sounds like: everything but its name and description."""
    attributes = tuple(sorted((k, v) for k, v in element.attrib.items() if k != "exact_value"))
    children = tuple(_canonical(child) for child in element if child.tag != "INFO")
    return (element.tag, attributes, (element.text or "").strip(), children)


@functools.cache
def _template() -> ET.Element:
    """A master state with part 0 on, the others off, and no effects."""
    root = read_xml(TEMPLATE)
    master = root.find("MASTER")
    if master is None:
        raise RenderError(f"{TEMPLATE} holds no master state.")
    for part in master.findall("PART"):
        for flag in part.findall("par_bool"):
            if flag.get("name") == "enabled":
                flag.set("value", "yes" if part.get("id") == "0" else "no")
    for name in ("SYSTEM_EFFECTS", "INSERTION_EFFECTS"):
        for effect in master.findall(f"{name}//EFFECT/par"):
            if effect.get("name") == "type":
                effect.set("value", "0")
    return root


def master_state(path: Path) -> bytes:
    """The XML that makes the plugin play an instrument and nothing else."""
    instrument = read_xml(path).find(".//INSTRUMENT")
    root = copy.deepcopy(_template())
    part = root.find("MASTER/PART[@id='0']")
    old = None if part is None else part.find("INSTRUMENT")
    if instrument is None or part is None or old is None:
        raise RenderError(f"{path} holds no instrument.")
    place = list(part).index(old)
    part.remove(old)
    part.insert(place, instrument)
    head = b'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE ZynAddSubFX-data>\n'
    return head + ET.tostring(root, encoding="utf-8")
