"""`poolkit key`: keys are made, rotated and listed, and no secret is shown."""

import json
from pathlib import Path

from poolkit import KeyRing
from poolkit.trace.keys import public_keys
from tests.cli.commands import document, poolkit


def test_the_life_of_a_key_file(tmp_path: Path) -> None:
    path, pem = tmp_path / "lab.key", tmp_path / "pub.pem"
    said = [poolkit("key", "new", path).output, poolkit("key", "rotate", path).output]
    made = document("key", "rotate", path)
    ring = KeyRing.load(path)
    assert [key.key_id in text for key, text in zip(ring.keys, said, strict=False)] == [True, True]
    assert made["key_id"] == ring.current.key_id
    listed = document("key", "list", path)
    assert [each["key_id"] for each in listed["keys"]] == [key.key_id for key in ring.keys]
    shown = document("key", "public", path, "--out", pem)
    assert pem.read_bytes() == shown["pem"].encode() == ring.public_pem()
    assert len(public_keys(pem.read_bytes())) == 3
    said += [poolkit("key", "list", path).output, poolkit("key", "public", path).output, str((made, listed, shown))]
    assert "BEGIN PUBLIC KEY" in said[3]
    for key in json.loads(path.read_text())["keys"]:
        assert not [text for text in said if key["ed25519"] in text or key["hmac_sha256"] in text]


def test_what_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lab.key"
    poolkit("key", "new", path)
    before = path.read_bytes()
    refused = document("key", "new", path, status=2)
    assert "expected no file here" in refused["error"]["message"]
    assert path.read_bytes() == before
    path.chmod(0o644)
    for verb in ("rotate", "public", "list"):
        assert "chmod 600" in document("key", verb, path, status=2)["error"]["message"]
    assert path.read_bytes() == before
