"""Our own certificate, by which servers know us."""

from __future__ import annotations

import shutil
import socket
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from asyncua.crypto.cert_gen import (
    dump_private_key_as_pem,
    generate_private_key,
    generate_self_signed_app_certificate,
)
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from uns.errors import DeniedError, StorageError

__all__ = ["APPLICATION_URI", "Identity", "certificate_folder", "own_identity"]

APPLICATION_URI = "urn:uns-bridge:opcua"
_VALID_DAYS = 3650  # a plant's servers trust it by hand, one by one; a year would be cruel
_FORMER_HOME = Path(".uns")  # where relative folders began before they began at the state folder
_KEY_FILE, _CERTIFICATE_FILE = "key.pem", "certificate.der"


@dataclass(frozen=True, slots=True)
class Identity:
    """Where our private key and certificate are."""

    key: Path
    certificate: Path


def certificate_folder(name: str, home: Path) -> Path:
    """The folder called `name`, in the state folder `home` where it is relative.

    Where there is none yet, one that an earlier version made in the working directory is used:
    servers trust the certificate in it.
    """
    folder = home / name
    if folder.exists():
        return folder
    former = (Path(name), _FORMER_HOME / name)
    return next((path for path in former if (path / "own").exists()), folder)


def own_identity(folder: Path) -> Identity:
    """Return our key and certificate in `folder`, made when they are not there yet.

    Raises StorageError when they can be neither read nor written, DeniedError when they expired.
    """
    own = folder / "own"
    identity = Identity(own / _KEY_FILE, own / _CERTIFICATE_FILE)
    if identity.certificate.exists():
        _check_dates(identity)
        return identity
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = Path(tempfile.mkdtemp(prefix=".own-", dir=folder))  # for our eyes only
        _make(fresh)
        try:
            fresh.rename(own)
        except OSError:  # another connection was faster: its certificate is ours too
            shutil.rmtree(fresh)
    except OSError as error:
        raise StorageError(
            f"cannot keep an OPC UA certificate in {folder}: {error.strerror}",
            hint="make the folder writable, or name another: `certificates:` of the connection",
        ) from error
    return identity


def _check_dates(identity: Identity) -> None:
    """No server takes a certificate that expired, and few say so."""
    content = identity.certificate.read_bytes()
    is_text = content.startswith(b"-----BEGIN")
    load = x509.load_pem_x509_certificate if is_text else x509.load_der_x509_certificate
    try:
        ends = load(content).not_valid_after_utc
    except ValueError as error:
        raise StorageError(
            f"{identity.certificate} is no certificate", hint="delete its folder to get a new one"
        ) from error
    if datetime.now(UTC) > ends:
        raise DeniedError(
            f"our own certificate expired on {ends.date()}",
            hint=f"delete {identity.certificate.parent}; the servers have to trust the new one",
        )


def _make(folder: Path) -> None:
    key = generate_private_key()
    names: list[x509.GeneralName] = [
        x509.UniformResourceIdentifier(APPLICATION_URI),
        x509.DNSName(socket.gethostname()),
    ]
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
    certificate = generate_self_signed_app_certificate(
        key, "uns-bridge", {}, names, usages, days=_VALID_DAYS
    )
    (folder / _KEY_FILE).write_bytes(dump_private_key_as_pem(key))
    (folder / _KEY_FILE).chmod(0o600)
    (folder / _CERTIFICATE_FILE).write_bytes(certificate.public_bytes(Encoding.DER))
