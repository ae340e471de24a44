"""Keys of a laboratory, to sign commits with and to make pseudonyms with; in a file that lies outside the store."""

import fcntl
import hashlib
import json
import os
import re
import secrets
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from poolkit.arrays import encode
from poolkit.errors import Problem, TraceError
from poolkit.trace.keyed import canonical_texts, is_plain, keyed_texts

_FORMAT = "poolkit keys v1"
_ID_DIGITS = 8
_PSEUDONYM_DIGITS = 32
_SECRET_BYTES = 32
_PEM_BLOCK = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Key:
    """One generation of keys; its secrets are in no text that it gives of itself.

    Attributes
    ----------
    key_id : str
        The first eight hexadecimal digits of the SHA-256 of its public key.
    created_at : datetime
        When it was made.
    """

    key_id: str
    created_at: datetime
    _seed: bytes = field(repr=False)
    _secret: bytes = field(repr=False)

    @classmethod
    def fresh(cls) -> "Key":
        """Make new keys."""
        seed = Ed25519PrivateKey.generate().private_bytes_raw()
        return cls.of(seed, secrets.token_bytes(_SECRET_BYTES), datetime.now(UTC).replace(microsecond=0))

    @classmethod
    def of(cls, seed: bytes, secret: bytes, created_at: datetime) -> "Key":
        """Take keys that were made before."""
        public = Ed25519PrivateKey.from_private_bytes(seed).public_key()
        return cls(key_id_of(public), created_at, seed, secret)

    def sign(self, data: bytes) -> bytes:
        """Return the signature of some bytes."""
        return Ed25519PrivateKey.from_private_bytes(self._seed).sign(data)

    def public_pem(self) -> bytes:
        """Return the public key, which may be given to anybody."""
        public = Ed25519PrivateKey.from_private_bytes(self._seed).public_key()
        return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    def pseudonyms(self, texts: pa.Array) -> pa.Array:
        """Return the pseudonym of each identity number of a column without null."""
        others = texts.filter(pc.invert(is_plain(texts)))
        slowly = pa.array([canonical_id(text) for text in others.to_pylist()], pa.string())
        meant = canonical_texts(texts, slowly)
        return keyed_texts(self._secret, meant, f"{self.key_id}.", _PSEUDONYM_DIGITS)

    def told(self) -> dict[str, str]:
        """Return what is written into the key file."""
        return {
            "created_at": self.created_at.isoformat(),
            "ed25519": self._seed.hex(),
            "hmac_sha256": self._secret.hex(),
            "key_id": self.key_id,
        }


def key_id_of(public: Ed25519PublicKey) -> str:
    """Return the id of a public key."""
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()[:_ID_DIGITS]


def canonical_id(text: str) -> str:
    r"""Return an identity number as it is hashed: full-width digits as plain ones, capitals, nothing unseen around it.

    Examples
    --------
    >>> canonical_id(" \uff11\uff12ab ")
    '12AB'
    """
    # Marks without width, as of byte order and of direction, come along when a number is copied.
    seen = "".join(sign for sign in unicodedata.normalize("NFKC", text) if unicodedata.category(sign) != "Cf")
    return seen.strip().upper()


@contextmanager
def _alone(folder: Path) -> Iterator[int]:
    """Hold a folder, so that no other process changes a key file in it; what was renamed is on the disk at the end."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
        os.fsync(handle)
    finally:
        os.close(handle)


class KeyRing:
    """The keys of a laboratory, the newest in use; older ones still name what was written under them.

    Parameters
    ----------
    path
        The key file.
    keys
        Oldest first.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ring = KeyRing.new(Path(folder) / "lab.key")
    ...     key_id, signature = ring.sign(b"a head")
    ...     verified(ring.public_pem(), key_id, b"a head", signature)
    True
    """

    def __init__(self, path: Path, keys: tuple[Key, ...]) -> None:
        self.path, self.keys = path, keys

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(key.key_id for key in self.keys)})"

    @classmethod
    def new(cls, path: str | os.PathLike[str]) -> "KeyRing":
        """Make a key file; one that is there already is never written over.

        Raises
        ------
        TraceError
            When the file is there, or cannot be written.
        """
        ring = cls(Path(path), (Key.fresh(),))
        try:
            with _alone(ring.path.parent):
                ring._write(ring.path)
        except FileExistsError:
            raise TraceError("no new keys", [Problem(str(path), "expected no file here, found one")]) from None
        except OSError as reason:
            raise TraceError("no new keys", [Problem(str(path), reason.strerror or str(reason))]) from None
        return ring

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "KeyRing":
        """Read a key file.

        Raises
        ------
        TraceError
            When it is none, is cut, or may be read by others than its owner.
        """
        path = Path(path)
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            data = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as reason:
            what = getattr(reason, "strerror", None) or "expected a key file of poolkit"
            raise TraceError("no keys", [Problem(str(path), what)]) from None
        if mode & 0o077:
            what = f"others may read it (mode {mode:04o}): chmod 600, and consider the keys known"
            raise TraceError("no keys", [Problem(str(path), what)])
        try:
            document = json.loads(data)
            if document["format"] != _FORMAT:
                raise ValueError
            keys = tuple(
                Key.of(
                    bytes.fromhex(each["ed25519"]),
                    bytes.fromhex(each["hmac_sha256"]),
                    datetime.fromisoformat(each["created_at"]),
                )
                for each in document["keys"]
            )
            sound = keys and all(
                key.key_id == each["key_id"] and len(each["hmac_sha256"]) == 2 * _SECRET_BYTES
                for key, each in zip(keys, document["keys"], strict=True)
            )
        except (ValueError, KeyError, TypeError):
            sound, keys = False, ()
        if not sound:
            # What stands there may be a secret, so it is not shown.
            raise TraceError("no keys", [Problem(str(path), "expected a key file of poolkit, found something else")])
        return cls(path, keys)

    def _write(self, path: Path) -> None:
        document = {"format": _FORMAT, "keys": [key.told() for key in self.keys]}
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchmod(handle, 0o600)
            file.write(json.dumps(document, indent=2) + "\n")
            file.flush()
            os.fsync(handle)

    @property
    def current(self) -> Key:
        """The newest key."""
        return self.keys[-1]

    def rotate(self) -> "KeyRing":
        """Add a new key to those of the file, which is replaced as a whole, and return the ring with all of them.

        Raises
        ------
        TraceError
            When the file is no key file any more, lacks a key of this ring, or cannot be written.
        """
        # A key file may be a link to where it is kept; the link stays.
        path = self.path.resolve()
        partial = path.with_name(f".{path.name}.partial")
        try:
            with _alone(path.parent):
                # Somebody may have added a key since this ring was read, and a key that is lost cannot be made again.
                keys = KeyRing.load(self.path).keys
                if not {key.key_id for key in self.keys} <= {key.key_id for key in keys}:
                    problem = Problem(str(self.path), "expected the keys of this ring in the file, found others")
                    raise TraceError("no new keys", [problem])
                ring = KeyRing(self.path, (*keys, Key.fresh()))
                partial.unlink(missing_ok=True)
                try:
                    ring._write(partial)
                    partial.replace(path)
                finally:
                    partial.unlink(missing_ok=True)
        except OSError as reason:
            raise TraceError("no new keys", [Problem(str(self.path), reason.strerror or str(reason))]) from None
        return ring

    def key(self, key_id: str) -> Key:
        """Return one key.

        Raises
        ------
        TraceError
            When the ring does not have it.
        """
        for key in self.keys:
            if key.key_id == key_id:
                return key
        known = ", ".join(key.key_id for key in self.keys)
        raise TraceError("no such key", [Problem(str(self.path), f"expected one of {known}, found {key_id}")])

    def sign(self, data: bytes) -> tuple[str, bytes]:
        """Return the id of the current key and its signature of some bytes."""
        return self.current.key_id, self.current.sign(data)

    def public_pem(self, key_id: str | None = None) -> bytes:
        """Return public keys in PEM: one, or all that the ring has."""
        keys = self.keys if key_id is None else (self.key(key_id),)
        return b"".join(key.public_pem() for key in keys)

    def is_pseudonym(self, text: str) -> bool:
        """Return whether a text is a pseudonym under one of the keys, by its form."""
        head, dot, tail = text.partition(".")
        known = any(key.key_id == head for key in self.keys)
        return known and dot == "." and re.fullmatch(rf"[0-9a-f]{{{_PSEUDONYM_DIGITS}}}", tail) is not None

    def pseudonyms(self, column: pa.ChunkedArray | pa.Array, key_id: str | None = None) -> pa.Array:
        """Return a column with each identity number as its pseudonym; what is one already, and null, stays.

        Parameters
        ----------
        column
            Text, of any length.
        key_id
            Which key; the current one by default.

        Returns
        -------
        pyarrow.Array
            Text of as many rows.
        """
        key = self.current if key_id is None else self.key(key_id)
        codes, texts = encode(column)
        known = "|".join(each.key_id for each in self.keys)
        is_made = pc.match_substring_regex(texts, rf"\A({known})\.[0-9a-f]{{{_PSEUDONYM_DIGITS}}}\z")
        made = pc.if_else(is_made, texts, key.pseudonyms(texts))
        return made.take(pa.array(codes, mask=codes < 0))


def public_keys(pem: bytes) -> list[Ed25519PublicKey]:
    """Return the Ed25519 keys of a PEM file, however many it holds.

    Raises
    ------
    TraceError
        When it holds none, or something else.
    """
    found = []
    for block in _PEM_BLOCK.findall(pem):
        try:
            key = serialization.load_pem_public_key(block)
        except ValueError:
            key = None
        if not isinstance(key, Ed25519PublicKey):
            raise TraceError("no public key", [Problem("key", "expected Ed25519 in PEM, found another kind of key")])
        found.append(key)
    if not found:
        raise TraceError("no public key", [Problem("key", "expected PUBLIC KEY blocks in PEM, found none")])
    return found


def verified(public: bytes, key_id: str | None, data: bytes, signature: bytes) -> bool:
    """Return whether one of some public keys signed these bytes.

    Parameters
    ----------
    public
        One or several keys in PEM.
    key_id
        The key that is said to have signed.
    data, signature
        What was signed, and the signature.

    Returns
    -------
    bool
        False also where the key that is named is not among them.
    """
    for key in public_keys(public):
        if key_id_of(key) == key_id:
            try:
                key.verify(signature, data)
            except InvalidSignature:
                return False
            return True
    return False
