"""Fetching and unpacking archives, against a server on this machine."""

import base64
import hashlib
import io
import json
import os
import signal
import stat
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from timbreclip_core.errors import InputError, UsageError
from timbreclip_train.datasets.archives import unpack
from timbreclip_train.datasets.download import download, part_of
from timbreclip_train.datasets.getting import STATE, chosen_archives, get_dataset
from timbreclip_train.entries import Archive, DatasetEntry

DATA = np.random.default_rng(0).bytes(3_000_000)
MD5 = hashlib.md5(DATA).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves ``files``; ``breaks`` connections break off after ``break_at`` bytes."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {"/data.tar": DATA}
        self.headers = {}
        self.ranges = True
        self.breaks = 0
        self.break_at = 1_000_000
        self.slow_s = 0.0
        self.asked = []

    def url(self, name="data.tar"):
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        content = self.server.files.get(self.path)
        wanted = self.headers.get("Range")
        self.server.asked.append(wanted)
        if content is None:
            self.send_error(404)
            return
        start = 0
        condition = self.headers.get("If-Range")
        version = (self.server.headers.get("ETag"), self.server.headers.get("Last-Modified"))
        if wanted and self.server.ranges and (condition is None or condition in version):
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = len(content)
        if self.server.breaks:
            self.server.breaks -= 1
            end = min(end, start + self.server.break_at)
        try:
            for at in range(start, end, 65_536):
                self.wfile.write(content[at : min(at + 65_536, end)])
                time.sleep(self.server.slow_s)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def fetch(server, path, **options):
    return download(server.url(), path, pause_s=0.0, **options)


def test_a_file_arrives_whole_and_leaves_nothing_beside_it(server, tmp_path):
    seen = []
    path = fetch(server, tmp_path / "new" / "data.tar", on_bytes=lambda *x: seen.append(x))
    assert path.read_bytes() == DATA
    assert seen[-1] == (len(DATA), len(DATA))
    assert [p.name for p in path.parent.iterdir()] == ["data.tar"]
    fetch(server, path)
    assert len(server.asked) == 1  # what is there is not fetched again


@pytest.mark.parametrize(
    "headers", [{"ETag": '"one"'}, {"Last-Modified": formatdate(0, usegmt=True)}]
)
def test_a_broken_connection_goes_on_where_it_broke(server, tmp_path, headers):
    server.headers, server.breaks = headers, 2
    assert fetch(server, tmp_path / "data.tar").read_bytes() == DATA
    # One byte of what is here is asked for again.
    assert server.asked == [None, "bytes=999999-", "bytes=1999998-"]


def test_without_a_version_only_a_checksum_lets_two_parts_be_joined(server, tmp_path):
    server.breaks = 1
    fetch(server, tmp_path / "a.tar", checksum=f"md5:{MD5}")
    assert server.asked == [None, "bytes=999999-"]
    server.breaks = 1
    assert fetch(server, tmp_path / "b.tar").read_bytes() == DATA
    assert server.asked[2:] == [None, None]


def test_a_file_that_changed_meanwhile_is_fetched_anew(server, tmp_path):
    server.headers, server.breaks = {"ETag": '"one"'}, 99
    server.break_at = 300_000
    with pytest.raises(InputError, match="broke off after"):
        fetch(server, tmp_path / "data.tar")
    server.headers, server.breaks = {"ETag": '"two"'}, 0
    server.files["/data.tar"] = DATA[::-1]
    assert fetch(server, tmp_path / "data.tar").read_bytes() == DATA[::-1]


def test_a_server_without_ranges_starts_again(server, tmp_path):
    server.headers, server.breaks, server.ranges = {"ETag": '"one"'}, 1, False
    assert fetch(server, tmp_path / "data.tar").read_bytes() == DATA


def test_a_part_that_is_longer_than_the_file_is_dropped(server, tmp_path):
    server.headers = {"ETag": '"one"'}
    path = tmp_path / "data.tar"
    part_of(path).write_bytes(DATA + b"more")
    part_of(path).with_suffix(".part.json").write_text("{}")
    (tmp_path / "data.tar.part.json").write_text(json.dumps({"url": "", "version": '"one"'}))
    assert fetch(server, path).read_bytes() == DATA
    assert server.asked == [f"bytes={len(DATA) + 3}-", None]


def test_a_part_that_is_complete_is_finished_with_one_byte(server, tmp_path):
    server.headers = {"ETag": '"one"'}
    path = tmp_path / "data.tar"
    part_of(path).write_bytes(DATA)
    (tmp_path / "data.tar.part.json").write_text(json.dumps({"url": "", "version": '"one"'}))
    assert fetch(server, path).read_bytes() == DATA
    assert server.asked == [f"bytes={len(DATA) - 1}-"]


@pytest.mark.parametrize(
    "checksum", [f"md5:{MD5}", f"sha256:{hashlib.sha256(DATA).hexdigest().upper()}"]
)
def test_a_published_checksum_is_compared(server, tmp_path, checksum):
    assert fetch(server, tmp_path / "a.tar", checksum=checksum).is_file()
    server.files["/data.tar"] = DATA[:-1] + b"?"
    with pytest.raises(InputError, match=f"not {checksum[-32:]}|not {checksum.split(':')[1]}"):
        fetch(server, tmp_path / "b.tar", checksum=checksum)
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith("b.tar")] in (
        [],
        ["b.tar.part.json"],
    )


@pytest.mark.parametrize(
    "header",
    [
        ("x-goog-hash", "crc32c=AAAAAA==,md5={}"),
        ("Content-MD5", "{}"),
        ("ETag", None),
    ],
)
def test_the_md5_that_a_server_tells_is_compared(server, tmp_path, header):
    name, form = header
    packed = base64.b64encode(bytes.fromhex(MD5)).decode()
    server.headers = {name: form.format(packed) if form else f'"md5:{MD5}"'}
    fetch(server, tmp_path / "a.tar")
    server.files["/data.tar"] = DATA[::-1]
    with pytest.raises(InputError, match="is not what was published"):
        fetch(server, tmp_path / "b.tar")


def test_what_cannot_be_fetched_says_what_to_do(server, tmp_path):
    with pytest.raises(InputError, match=r"404.*put it at"):
        download(server.url("gone.tar"), tmp_path / "gone.tar", pause_s=0.0)
    assert server.asked == [None]  # asking again would not help
    with pytest.raises(InputError, match="no http"):
        download("file:///etc/passwd", tmp_path / "x")
    with pytest.raises(InputError, match="could not be fetched"):
        download("http://127.0.0.1:9/x", tmp_path / "x", pause_s=0.0)


def test_a_download_that_was_killed_is_taken_up_again(server, tmp_path):
    server.headers, server.slow_s = {"ETag": '"one"'}, 0.02
    path = tmp_path / "data.tar"
    code = (
        "import sys; from pathlib import Path\n"
        "from timbreclip_train.datasets.download import download\n"
        "download(sys.argv[1], Path(sys.argv[2]))"
    )
    child = subprocess.Popen([sys.executable, "-c", code, server.url(), str(path)])
    while not (part_of(path).is_file() and part_of(path).stat().st_size > 500_000):
        time.sleep(0.005)
        assert child.poll() is None
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert not path.exists()
    have = part_of(path).stat().st_size
    server.slow_s = 0.0
    assert fetch(server, path).read_bytes() == DATA
    assert server.asked[-1] == f"bytes={have - 1}-"


# --- archives -------------------------------------------------------------------------------


def make_tar(path, members, mode="w"):
    with tarfile.open(path, mode) as tar:
        for name, content in members:
            info = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            data = content if isinstance(content, bytes) else b""
            if isinstance(content, bytes):
                info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def make_zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members:
            packed.writestr(name, content)
    return path


GOOD = [("set/a.json", b"{}"), ("set/audio/b.wav", b"RIFF" * 999), ("set/audio/._b.wav", b"junk")]


@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip"])
def test_an_archive_is_unpacked_without_shadow_files(tmp_path, ending):
    archive = tmp_path / f"data{ending}"
    if ending == ".zip":
        make_zip(archive, GOOD)
    else:
        make_tar(
            archive, GOOD, f"w:{ending.split('.')[-1].replace('tgz', 'gz').replace('tar', '')}"
        )
    assert unpack(archive, tmp_path / "out") == ["set"]
    files = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.*")}
    assert files == {"set/a.json", "set/audio/b.wav"}
    assert (tmp_path / "out/set/audio/b.wav").read_bytes() == b"RIFF" * 999


def link(name, target, kind):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def linked_zip():
    info = zipfile.ZipInfo("set/link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return [("set/a.json", b"{}"), (info, "/etc")]


EVIL = ["../evil", "set/../../evil", "/tmp/evil", "set\\..\\..\\evil", "C:/evil"]


@pytest.mark.parametrize("name", EVIL)
@pytest.mark.parametrize("make", [make_tar, make_zip])
def test_a_member_that_leads_out_stops_everything(tmp_path, make, name):
    archive = tmp_path / f"data{'.tar' if make is make_tar else '.zip'}"
    make(archive, [*GOOD, (name, b"evil")])
    with pytest.raises(InputError, match="leads out of the folder"):
        unpack(archive, tmp_path / "in" / "out")
    assert list((tmp_path / "in" / "out").iterdir()) == []
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
def test_links_and_devices_in_a_tar_stop_everything(tmp_path, kind):
    members = [*GOOD, ("x", link("set/door", "/etc", kind)), ("set/door/passwd", b"evil")]
    with pytest.raises(InputError, match="'set/door' is a link or a device"):
        unpack(make_tar(tmp_path / "data.tar", members), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_links_in_a_zip_stop_everything(tmp_path):
    with pytest.raises(InputError, match="'set/link' is a link or a device"):
        unpack(make_zip(tmp_path / "data.zip", linked_zip()), tmp_path / "out")


@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".zip"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.7])
def test_a_damaged_archive_is_named_and_leaves_nothing(tmp_path, ending, share):
    rng = np.random.default_rng(1)
    members = [(f"set/{i}.wav", rng.bytes(5_000)) for i in range(9)]
    archive = tmp_path / f"data{ending}"
    if ending == ".zip":
        make_zip(archive, members)
    else:
        make_tar(archive, members, "w:gz" if ending == ".tar.gz" else "w")
    content = archive.read_bytes()
    archive.write_bytes(content[: int(len(content) * share)] or b"nothing of an archive")
    with pytest.raises(InputError, match=f"data{ending} is damaged"):
        unpack(archive, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_what_is_there_already_is_not_touched(tmp_path):
    mine = tmp_path / "out" / "set" / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(InputError, match="set is already there"):
        unpack(make_tar(tmp_path / "data.tar", GOOD), tmp_path / "out")
    assert mine.read_text() == "mine"
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["set"]
    with pytest.raises(InputError, match="must end in one of"):
        unpack(mine, tmp_path / "out")


# --- whole datasets -------------------------------------------------------------------------


@pytest.fixture
def archives(server, tmp_path):
    for part in ("one", "two"):
        content = [(f"set-{part}/a.json", b"{}"), (f"set-{part}/b.wav", part.encode())]
        server.files[f"/{part}.tar.gz"] = make_tar(
            tmp_path / f"{part}.tar.gz", content, "w:gz"
        ).read_bytes()
    return tuple(
        Archive(
            part=part, file=f"{part}.tar.gz", urls=(server.url("404"), server.url(f"{part}.tar.gz"))
        )
        for part in ("one", "two")
    )


def test_a_dataset_is_fetched_from_the_address_that_answers_and_unpacked(
    archives, server, tmp_path
):
    root = tmp_path / "root"
    assert dict(get_dataset(list(archives), root)) == {
        "one.tar.gz": ["set-one"],
        "two.tar.gz": ["set-two"],
    }
    assert (root / "set-two" / "b.wav").read_text() == "two"
    assert not list((root / STATE).glob("*.tar.gz"))
    asked = len(server.asked)
    assert len(dict(get_dataset(list(archives), root, keep=True))) == 2
    assert len(server.asked) == asked


def test_a_kill_while_things_are_put_in_place_is_repaired(archives, tmp_path):
    root = tmp_path / "root"
    list(get_dataset(list(archives), root))
    # As it is when the run dies after it said what it would put there, and before it did.
    (root / "set-one").rename(root / ".unpacking-one.tar.gz")
    assert dict(get_dataset(list(archives), root))["one.tar.gz"] == ["set-one"]
    assert (root / "set-one" / "b.wav").read_text() == "one"
    assert not (root / ".unpacking-one.tar.gz").exists()


def entry(*archives):
    return DatasetEntry(
        name="x", summary="", load=dict, licence="", source="a friend", archives=archives
    )


def test_parts_can_be_chosen_and_what_must_not_be_fetched_says_where_it_is(archives):
    assert chosen_archives(entry(*archives), ()) == list(archives)
    assert chosen_archives(entry(*archives), ("two",)) == [archives[1]]
    with pytest.raises(UsageError, match="Known: one, two"):
        chosen_archives(entry(*archives), ("three",))
    with pytest.raises(UsageError, match=r"not to be downloaded\. Where it is: a friend"):
        chosen_archives(entry(), ())
