"""Which servers we believe: certificates in `trusted`, and the others in `rejected`.

Whoever wants to trust a server moves its file from one folder to the other.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from uns.errors import DeniedError, StorageError

__all__ = ["TrustStore", "fingerprint", "leaf"]

log = logging.getLogger("uns.opcua")

_FORMER = "servers"  # where earlier versions kept what they saw first
_LONG_SEQUENCE = b"\x30\x82"  # its length follows in two bytes, X.690 §8.1.3
_MOST_REJECTED = 100  # files; somebody may show a new certificate every second


class TrustStore:
    """The folders `trusted` and `rejected` below the connection's `certificates`."""

    def __init__(self, folder: Path) -> None:
        self._trusted = folder / "trusted"
        self._rejected = folder / "rejected"
        self._former = folder / _FORMER

    def knows(self, endpoint: tuple[str, int]) -> bool:
        """Whether a certificate of the server at this address was trusted at first sight."""
        name = _pin(endpoint)
        return (self._trusted / name).exists() or (self._former / name).exists()

    def check(
        self,
        endpoint: tuple[str, int],
        shown: bytes,
        *,
        trust: Literal["first", "listed"],
        expected: str = "",
    ) -> None:
        """Return where the server that shows this certificate may be believed.

        `expected` is the fingerprint that it has to have, where somebody wrote one. A file in
        `trusted` is believed as it is: a person put it there, or we did when we saw it first.
        Raises DeniedError, StorageError.
        """
        certificate = _read(endpoint, shown)
        der = certificate.public_bytes(Encoding.DER)
        if expected:
            self._compare(endpoint, der, expected)
            return
        listed = list(self._listed())
        if der in {one.public_bytes(Encoding.DER) for one in listed}:
            return
        if any(_has_signed(one, certificate) for one in listed):
            self._check_dates(endpoint, certificate, der)
            self._check_name(endpoint, certificate, der)
            return
        if trust == "first" and not self.knows(endpoint):
            self._check_dates(endpoint, certificate, der)
            self._trust(endpoint, certificate, der)
            return
        self._reject(endpoint, der, _UNKNOWN if trust == "listed" else _ANOTHER)

    def _compare(self, endpoint: tuple[str, int], der: bytes, expected: str) -> None:
        wanted = "".join(expected.split()).replace(":", "").lower()
        if fingerprint(der) != wanted:
            raise DeniedError(
                f"{_place(endpoint)} shows a certificate with the fingerprint {fingerprint(der)}",
                hint=f"`fingerprint` of the connection says {wanted}: was the server renewed?",
            )

    def _check_dates(
        self, endpoint: tuple[str, int], certificate: x509.Certificate, der: bytes
    ) -> None:
        now = datetime.now(UTC)
        if now > certificate.not_valid_after_utc:
            day = certificate.not_valid_after_utc.date()
            self._reject(endpoint, der, f"shows a certificate that expired on {day}")
        if now < certificate.not_valid_before_utc:
            day = certificate.not_valid_before_utc.date()
            self._reject(
                endpoint,
                der,
                f"shows a certificate that is not valid before {day}; are the clocks right?",
            )

    def _check_name(
        self, endpoint: tuple[str, int], certificate: x509.Certificate, der: bytes
    ) -> None:
        host, _ = endpoint
        names = list(_names(certificate))
        if host.lower() not in names:
            made_for = ", ".join(names) or "no host at all"
            self._reject(endpoint, der, f"shows a certificate that was made for {made_for}")

    def _listed(self) -> Iterator[x509.Certificate]:
        for folder in (self._trusted, self._former):
            for path in sorted(folder.iterdir()) if folder.is_dir() else ():
                try:
                    content = path.read_bytes()
                    yield from _loaded(content)
                except (OSError, ValueError) as error:
                    log.warning("%s is no certificate and was passed over: %s", path, error)

    def _trust(self, endpoint: tuple[str, int], certificate: x509.Certificate, der: bytes) -> None:
        _write(self._trusted / _pin(endpoint), der)
        log.info(
            "%s is trusted at first sight: certificate of %s, SHA-256 %s",
            _place(endpoint),
            ", ".join(_names(certificate)) or "no host",
            fingerprint(der),
        )

    def _reject(self, endpoint: tuple[str, int], der: bytes, why: str) -> None:
        path = self._rejected / f"{_pin(endpoint)[:-4]}_{fingerprint(der)[:8]}.der"
        is_full = self._rejected.is_dir() and len(list(self._rejected.iterdir())) >= _MOST_REJECTED
        if not path.exists() and not is_full:
            _write(path, der)
        raise DeniedError(
            f"{_place(endpoint)} {why}",
            hint=f"if it is the right server, move {path} to {self._trusted}",
        )


def fingerprint(der: bytes) -> str:
    """SHA-256 of a certificate, as UaExpert and openssl show it, without colons."""
    return hashlib.sha256(der).hexdigest()


def leaf(chain: bytes) -> bytes:
    """The first of certificates one after the other, the server's own: DER says how long it is."""
    if not chain.startswith(_LONG_SEQUENCE):
        return chain
    head = len(_LONG_SEQUENCE) + 2
    return chain[: head + int.from_bytes(chain[head - 2 : head], "big")]


def _read(endpoint: tuple[str, int], shown: bytes) -> x509.Certificate:
    try:
        return next(_loaded(shown))
    except (ValueError, StopIteration) as error:
        raise DeniedError(
            f"{_place(endpoint)} shows something that is no certificate",
            hint="give the server a certificate, or write `security: none` into the connection",
        ) from error


def _loaded(content: bytes) -> Iterator[x509.Certificate]:
    """PEM, or DER; of a chain in DER the first one, which is the server's own."""
    if b"-----BEGIN" in content:
        yield from x509.load_pem_x509_certificates(content)
        return
    yield x509.load_der_x509_certificate(leaf(content))


def _has_signed(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        limits = issuer.extensions.get_extension_for_class(x509.BasicConstraints)
        certificate.verify_directly_issued_by(issuer)
    except (x509.ExtensionNotFound, ValueError, TypeError, InvalidSignature):
        return False
    return limits.value.ca


def _names(certificate: x509.Certificate) -> Iterator[str]:
    """The hosts that a certificate is made for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return
    for name in names:
        if isinstance(name, x509.DNSName):
            yield name.value.lower()
        if isinstance(name, x509.IPAddress):
            yield str(name.value)


def _place(endpoint: tuple[str, int]) -> str:
    return f"{endpoint[0]}:{endpoint[1]}"


def _pin(endpoint: tuple[str, int]) -> str:
    return f"{endpoint[0].replace(':', '_')}_{endpoint[1]}.der"


def _write(path: Path, content: bytes) -> None:
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        raise StorageError(
            f"cannot keep an OPC UA certificate in {path.parent}: {error.strerror}",
            hint="make the folder writable, or name another: `certificates:` of the connection",
        ) from error


_UNKNOWN = "shows a certificate that is not among the trusted ones"
_ANOTHER = (
    "shows another certificate than it did before; was it renewed, or is somebody in between?"
)
