import hashlib
import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timbreclip_core.errors import InputError
from timbreclip_core.files import atomic_path, sha256


def test_a_file_appears_when_it_is_whole(tmp_path):
    target = tmp_path / "out.wav"
    with atomic_path(target) as temporary:
        temporary.write_text("half")
        assert not target.exists()
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".wav"
        temporary.write_text("whole")
    assert target.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, error):
    target = tmp_path / "out.txt"
    target.write_text("old")
    with pytest.raises(error), atomic_path(target) as temporary:
        temporary.write_text("new")
        raise error
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_an_existing_file_is_replaced_as_a_whole(tmp_path):
    target = tmp_path / "out.txt"
    target.write_text("something longer than what follows")
    with atomic_path(target) as temporary:
        temporary.write_text("new")
    assert target.read_text() == "new"


def test_a_link_elsewhere_is_replaced_and_what_it_names_is_not(tmp_path):
    (tmp_path / "precious").write_text("old")
    (tmp_path / "out").symlink_to(tmp_path / "precious")
    with atomic_path(tmp_path / "out") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "precious").read_text() == "old"
    assert (tmp_path / "out").read_text() == "new"


def test_a_missing_folder_is_said_to_be_missing(tmp_path):
    with (
        pytest.raises(InputError, match="does not exist"),
        atomic_path(tmp_path / "no" / "out.txt"),
    ):
        pytest.fail("the body must not run")


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_result_has_the_permissions_of_any_new_file(tmp_path, umask):
    before = os.umask(umask)
    try:
        with atomic_path(tmp_path / "ours") as temporary:
            temporary.write_text("x")
        (tmp_path / "plain").write_text("x")
    finally:
        assert os.umask(before) == umask
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ours", "plain")]
    assert modes[0] == modes[1]


@given(st.binary(max_size=5_000))
def test_a_hash_is_that_of_the_bytes(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("hash") / "x"
    path.write_bytes(data)
    assert sha256(path) == hashlib.sha256(data).hexdigest()


def test_known_hashes(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")  # FIPS 180-2, appendix B
    assert sha256(tmp_path / "abc") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
