"""The small C programs that play plugins: building them, and asking them for notes."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import platformdirs

from timbreclip_core.files import atomic_path

from .base import Audio, MissingSynthError, NoteSpec, RenderError

CPU_SECONDS = 60
BLOCK_FRAMES = 256


@dataclass(frozen=True, kw_only=True)
class HostSource:
    """A host and what it takes to build it.

    Args:
        name: Of the C file, without its ending.
        headers: Files that must be there, each with the Debian package that has it.
        flags: For the compiler, after the common ones.
    """

    name: str
    headers: Mapping[str, str]
    flags: tuple[str, ...] = ()


LV2 = HostSource(name="lv2_host", headers={"lv2/core/lv2.h": "lv2-dev"})
DSSI = HostSource(
    name="dssi_host",
    headers={
        "dssi.h": "dssi-dev",
        "ladspa.h": "ladspa-sdk",
        "alsa/asoundlib.h": "libasound2-dev",
    },
)
FIXED_SEED = HostSource(name="fixed_seed", headers={}, flags=("-shared", "-fPIC"))
# The C++ runtime looks up a function that the LV2 host replaces: it must be exported.
_FLAGS = ("-std=c11", "-O2", "-rdynamic")
_LIBRARIES = ("-ldl", "-lm")


def check_host(host: HostSource) -> None:
    """Raise ``MissingSynthError`` if compiler or headers are missing."""
    missing = [] if shutil.which("gcc") else ["gcc", "libc6-dev"]
    roots = [Path("/usr/include"), Path("/usr/local/include")]
    for header, package in host.headers.items():
        if not any((root / header).is_file() for root in roots):
            missing.append(package)
    if missing:
        raise MissingSynthError(f"What builds {host.name}", tuple(missing))


def build_host(host: HostSource, cache: Path | None = None) -> Path:
    """Compile a host at first use and keep it in the user's cache folder.

    Args:
        host: Which.
        cache: Another folder to keep it in.
    Raises:
        MissingSynthError: Without compiler or headers.
        RenderError: If the compiler complains.
    """
    check_host(host)
    folder = files("timbreclip_train").joinpath("rendering/native")
    names = ("offline_host.h", f"{host.name}.c")
    texts = [folder.joinpath(name).read_bytes() for name in names]
    key = hashlib.sha256(b"\0".join([*texts, shlex.join([*_FLAGS, *host.flags]).encode()]))
    cache = cache or Path(platformdirs.user_cache_dir("timbreclip")) / "hosts"
    target = cache / f"{host.name}-{key.hexdigest()[:16]}"
    if not target.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        with as_file(folder) as sources, atomic_path(target) as temporary:
            _compile(Path(sources) / f"{host.name}.c", temporary, host)
            temporary.chmod(0o755)
        target.chmod(0o755)
    return target


def _compile(source: Path, target: Path, host: HostSource) -> None:
    command = ["gcc", *_FLAGS, *host.flags, "-o", str(target), str(source), *_LIBRARIES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RenderError(f"gcc cannot compile {source.name}:\n{done.stderr[-2000:]}")


@dataclass(kw_only=True)
class Request:
    """How a plugin is set up before its notes are played.

    Args:
        controls: Control port to value.
        state: What an LV2 plugin restores.
        configure: DSSI key and value, in order.
        program: DSSI bank and program, chosen after ``configure``.
    """

    controls: Mapping[int, float] = field(default_factory=dict)
    state: bytes | None = None
    configure: tuple[tuple[str, str], ...] = ()
    program: tuple[int, int] | None = None

    def encode(self, notes: Iterable[tuple[int, int, int, int]]) -> bytes:
        """The lines that a host reads; notes are pitch, velocity, held and released frames."""
        lines = [f"set {port} {value:.9g}".encode() for port, value in self.controls.items()]
        if self.state is not None:
            lines.append(b"state %d\n%s" % (len(self.state), self.state))
        lines += [f"configure {key} {value}".encode() for key, value in self.configure]
        if self.program:
            lines.append("program {} {}".format(*self.program).encode())
        lines += ["note {} {} {} {}".format(*note).encode() for note in notes]
        return b"\n".join([*lines, b"go\n"])


class Host:
    """A running host; one preset at a time, each in a child of the host.

    Args:
        program: The compiled host.
        arguments: Plugin, its name, and what else comes before the requests.
    """

    def __init__(self, program: Path, arguments: list[str]) -> None:
        # Some plugins look for their files under HOME, and write there.
        environment = {**os.environ, "LC_ALL": "C"}
        self._process = subprocess.Popen(
            [str(program), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )

    def play(self, request: Request, notes: list[NoteSpec], sample_rate: int) -> list[Audio]:
        """Play notes; arrays of shape (2, frames).

        Raises:
            RenderError: If the plugin fails or crashes.
        """
        frames = [note.frames(sample_rate) for note in notes]
        pairs = zip(notes, frames, strict=True)
        text = request.encode((n.pitch, n.velocity, hold, rel) for n, (hold, rel) in pairs)
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None  # noqa: S101 -- narrows the type
        try:
            stdin.write(text)
            stdin.flush()
        except BrokenPipeError:
            raise RenderError("The host ended; does the plugin load?") from None
        status, _, rest = stdout.readline().decode("utf-8", "replace").strip().partition(" ")
        if status != "ok":
            raise RenderError(rest or "The host ended; does the plugin load?")
        raw = stdout.read(int(rest) * 8)
        audio = np.frombuffer(raw, "<f4").reshape(-1, 2).T
        ends = np.cumsum([hold + release for hold, release in frames])
        return [np.ascontiguousarray(part) for part in np.split(audio, ends[:-1], axis=1)]

    def close(self) -> None:
        """End the host."""
        if self._process.stdin:
            self._process.stdin.close()
        if self._process.stdout:
            self._process.stdout.close()
        self._process.kill()
        self._process.wait()
