"""Key files: for their owner alone, never written over, never shown; signatures and pseudonyms under several keys."""

import hashlib
import hmac
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from poolkit import KeyRing, TraceError
from poolkit.trace.keys import public_keys, verified

ROOT = Path(__file__).parents[2]


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return KeyRing.new(tmp_path / "lab.key")


def secrets_of(path: Path) -> list[str]:
    return [each[name] for each in json.loads(path.read_text())["keys"] for name in ("ed25519", "hmac_sha256")]


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_a_key_file_is_its_owners_alone(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        ring = KeyRing.new(tmp_path / "lab.key").rotate()
    finally:
        os.umask(before)
    assert ring.path.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lab.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o644])
def test_a_key_file_that_others_may_read_is_refused(ring: KeyRing, mode: int) -> None:
    ring.path.chmod(mode)
    with pytest.raises(TraceError, match=f"mode {mode:04o}"):
        KeyRing.load(ring.path)
    ring.path.chmod(0o400)
    assert KeyRing.load(ring.path).keys == ring.keys


def test_a_key_file_is_never_written_over(ring: KeyRing) -> None:
    before = ring.path.read_bytes()
    with pytest.raises(TraceError, match="expected no file here"):
        KeyRing.new(ring.path)
    assert ring.path.read_bytes() == before


def test_keys_in_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="No such file"):
        KeyRing.new(tmp_path / "nowhere" / "lab.key")
    with pytest.raises(TraceError, match="No such file"):
        KeyRing.load(tmp_path / "lab.key")


def test_a_key_file_that_is_cut_is_refused_and_not_shown(ring: KeyRing) -> None:
    data = ring.path.read_bytes()
    hidden = secrets_of(ring.path)
    # Without its last line break it is whole.
    for cut in range(0, len(data) - 1, 7):
        ring.path.write_bytes(data[:cut])
        with pytest.raises(TraceError, match="expected a key file") as caught:
            KeyRing.load(ring.path)
        reason: BaseException | None = caught.value
        assert not [secret for secret in hidden if secret[:16] in f"{reason} {reason!r}"]
        assert reason is not None
        assert reason.__cause__ is None


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document["keys"].clear(),
        lambda document: document.update(format="poolkit keys v2"),
        lambda document: document["keys"][0].update(key_id="00000000"),
        lambda document: document["keys"][0].update(ed25519="00"),
        lambda document: document["keys"][0].update(hmac_sha256="00"),
        lambda document: document["keys"][0].update(created_at="yesterday"),
        lambda document: document["keys"][0].pop("hmac_sha256"),
    ],
)
def test_a_key_file_that_was_changed_is_refused(ring: KeyRing, change: Callable[[Any], Any]) -> None:
    document = json.loads(ring.path.read_text())
    change(document)
    ring.path.write_text(json.dumps(document))
    with pytest.raises(TraceError, match="found something else"):
        KeyRing.load(ring.path)


def test_rotation_keeps_the_older_keys(ring: KeyRing) -> None:
    rotated = ring.rotate()
    again = KeyRing.load(ring.path)
    assert again.keys == rotated.keys
    assert again.keys[:-1] == ring.keys
    assert again.current.key_id != ring.current.key_id
    signed = ring.sign(b"a head")
    assert verified(again.public_pem(), signed[0], b"a head", signed[1])
    with pytest.raises(TraceError, match="expected one of"):
        ring.key(again.current.key_id)


def test_no_rotation_loses_the_key_of_another(ring: KeyRing) -> None:
    # Eight that read the file at once each add a key, whichever is first.
    script = (
        "import sys; from poolkit import KeyRing; ring = KeyRing.load(sys.argv[1]);"
        "print('read', flush=True); input(); ring.rotate()"
    )
    words = [sys.executable, "-c", script, str(ring.path)]
    piped = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "cwd": ROOT}
    children = [subprocess.Popen(words, **piped) for _ in range(8)]
    assert [child.stdout.readline() for child in children] == [b"read\n"] * 8
    for child in children:
        child.stdin.write(b"\n")
        child.stdin.flush()
    for child in children:
        child.communicate()
        assert child.returncode == 0
    keys = KeyRing.load(ring.path).keys
    assert len({key.key_id for key in keys}) == 9
    assert keys[0] == ring.current
    assert [path.name for path in ring.path.parent.iterdir()] == [ring.path.name]


def test_a_ring_read_before_adds_to_the_file_as_it_is_now(ring: KeyRing) -> None:
    first, second = ring.rotate(), ring.rotate()
    assert second.keys[:-1] == first.keys
    assert KeyRing.load(ring.path).keys == second.keys


def test_a_file_that_became_another_is_not_added_to(ring: KeyRing, tmp_path: Path) -> None:
    ring.path.unlink()
    other = KeyRing.new(ring.path)
    with pytest.raises(TraceError, match="expected the keys of this ring"):
        ring.rotate()
    assert KeyRing.load(ring.path).keys == other.keys


def test_secrets_are_in_no_text(ring: KeyRing) -> None:
    rotated = ring.rotate()
    said = f"{rotated} {rotated!r} {rotated.keys} {rotated.current!r} {rotated.public_pem()!r}"
    hidden = secrets_of(ring.path)
    assert len(set(hidden)) == 4
    assert not [secret for secret in hidden if secret in said or repr(bytes.fromhex(secret)) in said]


def test_another_key_another_text_or_another_signature_does_not_verify(ring: KeyRing, tmp_path: Path) -> None:
    key_id, signature = ring.sign(b"a head")
    other = KeyRing.new(tmp_path / "other.key")
    assert verified(ring.public_pem(), key_id, b"a head", signature)
    assert not verified(ring.public_pem(), key_id, b"another head", signature)
    assert not verified(ring.public_pem(), key_id, b"a head", signature[:-1] + bytes([signature[-1] ^ 1]))
    assert not verified(ring.public_pem(), key_id, b"a head", b"")
    assert not verified(ring.public_pem(), other.current.key_id, b"a head", signature)
    assert not verified(ring.public_pem(), None, b"a head", signature)
    assert not verified(other.public_pem(), key_id, b"a head", signature)
    # Signed by one key, said to be by another that is known as well.
    both = other.public_pem() + ring.public_pem()
    assert verified(both, key_id, b"a head", signature)
    assert not verified(both, other.current.key_id, b"a head", signature)


def test_several_blocks_in_one_file(ring: KeyRing) -> None:
    pem = ring.rotate().public_pem()
    assert len(public_keys(b"Keys of the laboratory\r\n" + pem.replace(b"\n", b"\r\n") + b"end")) == 2
    foreign = generate_private_key(SECP256R1()).public_key()
    block = foreign.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for wrong in (b"", b"no key", pem[:60], pem + block, pem.replace(b"MCow", b"????")):
        with pytest.raises(TraceError, match="no public key"):
            public_keys(wrong)


TEXTS = [
    "",
    "S1",
    " s1 ",
    "\uff33\uff11",
    "x" * 54,
    "x" * 55,
    "x" * 56,
    "x" * 63,
    "x" * 64,
    "x" * 65,
    "x" * 300,
    "张",
    "S1",
]


def test_pseudonyms_are_hmac_of_what_was_meant(ring: KeyRing) -> None:
    secret = bytes.fromhex(secrets_of(ring.path)[1])
    meant = ["", "S1", "S1", "S1", *(text.upper() for text in TEXTS[4:-2]), "张", "S1"]
    expected = [
        f"{ring.current.key_id}.{hmac.digest(secret, text.encode(), hashlib.sha256).hex()[:32]}" for text in meant
    ]
    for times in (1, 5):
        column = pa.chunked_array([pa.array(TEXTS * times), pa.array([None], pa.string()), pa.array(expected[:2])])
        made = ring.pseudonyms(column).to_pylist()
        assert made == [*expected * times, None, *expected[:2]]
    assert ring.pseudonyms(pa.array([], pa.string())).to_pylist() == []


def test_pseudonyms_differ_from_key_to_key(ring: KeyRing) -> None:
    rotated = ring.rotate()
    older, newer = (rotated.pseudonyms(pa.array(["S1"]), key.key_id)[0].as_py() for key in rotated.keys)
    assert older == ring.pseudonyms(pa.array(["S1"]))[0].as_py() != newer
    assert older.partition(".")[2] != newer.partition(".")[2]
    assert rotated.is_pseudonym(older)
    assert not ring.is_pseudonym(newer)
    assert not ring.is_pseudonym(older[:-1])
    assert not ring.is_pseudonym(older.upper())
