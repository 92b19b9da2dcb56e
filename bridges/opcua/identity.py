"""Our own certificate, and the certificates of servers as we first saw them."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path

from asyncua.crypto.cert_gen import (
    dump_private_key_as_pem,
    generate_private_key,
    generate_self_signed_app_certificate,
)
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from uns.errors import DeviceError, StorageError

__all__ = ["APPLICATION_URI", "Identity", "certificate_folder", "check_server", "own_identity"]

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

    Raises StorageError when they can be neither read nor written.
    """
    own = folder / "own"
    identity = Identity(own / _KEY_FILE, own / _CERTIFICATE_FILE)
    if identity.certificate.exists():
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


def check_server(folder: Path, endpoint: tuple[str, int], certificate: bytes) -> None:
    """Trust a server's certificate at first sight, and insist on it ever after.

    Raises DeviceError when the server shows another certificate than it did before.
    """
    host, port = endpoint
    known = folder / "servers" / f"{host.replace(':', '_')}_{port}.der"
    if not known.exists():
        known.parent.mkdir(parents=True, exist_ok=True)
        part = known.with_suffix(f".{os.getpid()}.part")
        part.write_bytes(certificate)
        part.replace(known)
    elif known.read_bytes() != certificate:
        raise DeviceError(
            f"{host}:{port} shows another certificate than it did before",
            hint=f"if the server was renewed, delete {known}; if it was not, somebody is in between",
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
