"""Finding and loading plugins: records, the manager, the rules for broken and clashing ones.

Hooks yield frozen records that can be listed without importing torch; ``record.load(...)`` does the
heavy work. The package that calls a hook owns its specification.
"""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, distributions
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Generic, TypeVar

import pluggy

from .effects.words import EffectWords
from .errors import PluginError, UnknownNameError

GROUP = "timbreclip"
OWN = ("timbreclip-core", "timbreclip-eq", "timbreclip-vis", "timbreclip-train")
# A plugin may serve several of our packages: hooks of those not installed are no misspelling.
SIBLING_HOOKS = {
    "tclip_eqs": "timbreclip-eq",
    "tclip_image_backends": "timbreclip-vis",
    "tclip_datasets": "timbreclip-train",
    "tclip_augmentations": "timbreclip-train",
    "tclip_renderers": "timbreclip-train",
}

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing that a plugin offers.

    Args:
        name: What users type; lower case, words joined by hyphens.
        summary: One line for lists.
        load: Makes the thing; its signature is that of the hook. Imports torch here, not before.
    """

    hook: ClassVar[str]
    kind: ClassVar[str] = "entry"

    name: str
    summary: str
    load: Callable[..., Any] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Where the weights of a model come from.

    Args:
        licence: SPDX identifier, or words where there is none.
        size_mb: Size of the file, MB; None if it depends.
        source: URL, hub id or sentence that tells a person where to get them.
        bundled: Folder inside the installed package, for weights that ship with it.
        url: Address that ``tclip models install NAME --download`` may fetch from.
    """

    licence: str
    size_mb: float | None
    source: str
    bundled: Path | None = None
    url: str | None = None


@dataclass(frozen=True, kw_only=True)
class ModelEntry(Entry):
    """Something with weights.

    Args:
        load: ``(path: Path, device: str) -> ...``; the path is a model folder (``checkpoints``) or
            a file as the authors published it.
        install: ``(source: Path, folder: Path) -> None``: turns the published file into a model
            folder; None if only model folders are accepted.
        weights: Where the weights come from.
        find: Where else on this machine the weights may lie, such as another program's cache; a
            folder, a file or None. Fetches nothing.
        choose: For an entry that stands for many models: what follows ``NAME:`` to the entry of
            that very model. With an ``install`` of its own, ``NAME`` alone is one of them.
        choices: How that is written, such as ``ARCH@TAG``.
    """

    weights: Weights
    install: Callable[[Path, Path], None] | None = field(default=None, repr=False)
    find: Callable[[], Path | None] | None = field(default=None, repr=False)
    choose: Callable[[str], Any] | None = field(default=None, repr=False)
    choices: str = ""

    @property
    def must_choose(self) -> bool:
        """Whether it stands for many models and is none of them itself."""
        return self.choose is not None and self.install is None


@dataclass(frozen=True, kw_only=True)
class EncoderEntry(ModelEntry):
    """An audio encoder; ``load`` returns an ``Encoder``.

    Args:
        space: Name of the ``SpaceEntry`` that its ``"text"`` vectors live in; empty if it knows no
            words, and compares sounds with sounds only.
        sample_rate: What it hears, Hz.
    """

    hook: ClassVar[str] = "tclip_encoders"
    kind: ClassVar[str] = "encoder"

    space: str
    sample_rate: int


@dataclass(frozen=True, kw_only=True)
class SpaceEntry(ModelEntry):
    """A space of text, and maybe images; ``load`` returns a ``Space``.

    Args:
        dim: Numbers in a vector; None if it depends on the choice.
    """

    hook: ClassVar[str] = "tclip_spaces"
    kind: ClassVar[str] = "space"

    dim: int | None


@dataclass(frozen=True, kw_only=True)
class EffectEntry(Entry):
    """An audio effect with a level from 0 to 1.

    ``load(options: Mapping[str, Any] | None = None)`` returns an ``Effect``; options are its
    physical parameters by name.

    Args:
        words: What it does to the words for a sound.
    """

    hook: ClassVar[str] = "tclip_effects"
    kind: ClassVar[str] = "effect"

    words: EffectWords


E = TypeVar("E", bound=Entry)


@dataclass(frozen=True)
class Registered(Generic[E]):
    """An entry and the distribution that it came from."""

    entry: E
    distribution: str


@dataclass
class Plugin:
    """One loaded, or failed, entry point."""

    name: str
    distribution: str
    version: str
    module: Any = None
    error: str | None = None
    hooks: tuple[str, ...] = ()


class PluginWarning(UserWarning):
    """A plugin was switched off; the message names its distribution."""


class PluginManager:
    """All plugins of this environment.

    Args:
        only: Names of third-party distributions or entry points to keep; None keeps all. Our own
            packages always stay.
    """

    def __init__(self, only: frozenset[str] | None = None) -> None:
        self._only = only
        self._pm = pluggy.PluginManager(GROUP)
        self.plugins: list[Plugin] = []

    def load_installed(self) -> None:
        """Load every entry point of the group; a broken one is switched off with a warning."""
        seen: set[tuple[str, str]] = set()
        # Asked for its name, a distribution reads all of its metadata: of ours alone, and once.
        found = ((d, d.entry_points.select(group=GROUP)) for d in distributions())
        ours = [(_normal(dist.name or ""), dist, points) for dist, points in found if points]
        for name, dist, points in sorted(ours, key=lambda one: (one[0] not in OWN, one[0])):
            for point in points:
                key = (name, point.name)
                if key not in seen and self._wanted(*key):
                    seen.add(key)
                    self._load_point(name, dist.version, point)

    def register(self, module: ModuleType | object, distribution: str, version: str = "") -> None:
        """Add a plugin that is already imported (core's own, tests)."""
        name = getattr(module, "__name__", type(module).__name__)
        self._add(Plugin(name, distribution, version, module))

    def finish(self) -> None:
        """Add the plugins' own specifications, then check every implementation against them."""
        for plugin in self._alive():
            if hasattr(plugin.module, "tclip_addhooks"):
                self._guard(plugin, plugin.module.tclip_addhooks, self._pm)
        for plugin in self._alive():
            self._guard(plugin, self._connect, plugin)

    def entries(self, kind: type[E]) -> list[Registered[E]]:
        """All records of a kind, sorted by name; a plugin whose hook fails is switched off."""
        found: list[Registered[E]] = []
        for plugin, call in self._calls(kind.hook):
            records = self._guard(plugin, lambda call=call: list(call() or ()))
            for record in records or ():
                if isinstance(record, kind):
                    found.append(Registered(record, plugin.distribution))
                else:
                    self._switch_off(plugin, f"{kind.hook} yielded {record!r}, no {kind.__name__}")
        return sorted(found, key=lambda r: (r.entry.name, r.distribution))

    def find(self, kind: type[E], name: str) -> E:
        """The one record of that name, or of ``NAME:CHOICE`` where the entry has ``choose``.

        Raises:
            UnknownNameError: No plugin has it; the message lists the names there are.
            PluginError: Several have it; the message names their distributions.
        """
        found = self.entries(kind)
        base, colon, choice = name.partition(":")
        hits = [r for r in found if r.entry.name == base]
        choose = getattr(hits[0].entry, "choose", None) if hits else None
        if not hits or (colon and choose is None):
            raise UnknownNameError(kind.kind, name, {r.entry.name for r in found})
        if len(hits) > 1:
            raise PluginError(_clash(kind, base, [r.distribution for r in hits]))
        return choose(choice) if colon and choose else hits[0].entry

    def clashes(self, kinds: tuple[type[Entry], ...]) -> list[str]:
        """A sentence for every name that two plugins of one kind claim."""
        sentences = []
        for kind in kinds:
            owners: dict[str, list[str]] = {}
            for r in self.entries(kind):
                owners.setdefault(r.entry.name, []).append(r.distribution)
            sentences += [_clash(kind, n, d) for n, d in owners.items() if len(d) > 1]
        return sentences

    def add_commands(self, cli: Any) -> None:
        """Let every plugin attach its commands to the root group."""
        for plugin, call in self._calls("tclip_commands"):
            self._guard(plugin, call, cli=cli)

    def _calls(self, hook: str) -> Iterator[tuple[Plugin, Callable[..., Any]]]:
        caller = getattr(self._pm.hook, hook, None)
        by_module = {id(p.module): p for p in self._alive()}
        for impl in caller.get_hookimpls() if caller else ():
            if plugin := by_module.get(id(impl.plugin)):
                yield plugin, impl.function

    def _alive(self) -> list[Plugin]:
        return [p for p in self.plugins if p.error is None]

    def _wanted(self, distribution: str, point: str) -> bool:
        own = distribution in OWN
        return own or self._only is None or bool(self._only & {distribution, point})

    def _load_point(self, distribution: str, version: str, point: EntryPoint) -> None:
        plugin = Plugin(point.name, distribution, version)
        self.plugins.append(plugin)
        plugin.module = self._guard(plugin, point.load)

    def _add(self, plugin: Plugin) -> None:
        self.plugins.append(plugin)

    def _connect(self, plugin: Plugin) -> None:
        self._pm.register(plugin.module, name=f"{plugin.distribution}:{plugin.name}")
        callers = self._pm.get_hookcallers(plugin.module) or []
        unknown = [c.name for c in callers if not c.has_spec() and c.name not in SIBLING_HOOKS]
        plugin.hooks = tuple(sorted(c.name for c in callers))
        if unknown:
            self._pm.unregister(plugin.module)
            raise PluginError(f"it implements hooks that do not exist: {', '.join(unknown)}")

    def _guard(self, plugin: Plugin, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a plugin's code; whatever it raises switches off that plugin, never the program."""
        try:
            return call(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  third-party code may raise anything
            self._switch_off(plugin, f"{type(error).__name__}: {error}")
            return None

    def _switch_off(self, plugin: Plugin, reason: str) -> None:
        if plugin.error is None:
            plugin.error = reason
            warnings.warn(
                f"The plugin {plugin.name!r} of {plugin.distribution} is switched off: {reason}",
                PluginWarning,
                stacklevel=2,
            )


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _clash(kind: type[Entry], name: str, owners: list[str]) -> str:
    return (
        f"The {kind.kind} {name!r} is provided by {' and by '.join(sorted(owners))}. "
        "Uninstall one of them, or keep one with TCLIP_PLUGINS."
    )


@functools.cache
def plugin_manager() -> PluginManager:
    """The manager of this process; reads ``TCLIP_PLUGINS`` once.

    ``TCLIP_PLUGINS=a,b`` keeps only those third-party distributions or entry points; empty keeps
    none.
    """
    from . import builtin, hookspecs

    chosen = os.environ.get("TCLIP_PLUGINS")
    only = None if chosen is None else frozenset(_normal(n.strip()) for n in chosen.split(","))
    manager = PluginManager(only)
    manager._pm.add_hookspecs(hookspecs)
    from . import __version__

    manager.register(builtin, "timbreclip-core", __version__)
    manager.load_installed()
    manager.finish()
    return manager
