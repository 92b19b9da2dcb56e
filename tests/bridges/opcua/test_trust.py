"""Which servers are believed, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridges.opcua.trust import TrustStore, fingerprint, leaf
from uns.errors import DeniedError, StorageError

PLC = ("plc1", 4840)


def put(folder: Path, der: bytes, name: str = "by-hand.der") -> None:
    (folder / "trusted").mkdir(parents=True, exist_ok=True)
    (folder / "trusted" / name).write_bytes(der)


def test_a_server_is_trusted_at_first_sight_and_held_to_it(tmp_path, certificates, caplog):
    """The first certificate is kept and told once; another one later is refused."""
    caplog.set_level("INFO", "uns.opcua")
    store, first = TrustStore(tmp_path), certificates.made(hosts=["elsewhere"])
    assert not store.knows(PLC)
    store.check(PLC, first, trust="first")
    store.check(PLC, first, trust="first")
    store.check(("plc2", 4840), certificates.made(), trust="first")
    assert store.knows(PLC)
    assert 2 == len(caplog.records)
    assert fingerprint(first) in caplog.records[0].getMessage()
    with pytest.raises(DeniedError, match="another certificate than it did before"):
        store.check(PLC, certificates.made(), trust="first")


def test_what_earlier_versions_saw_first_still_counts(tmp_path, certificates):
    """Their folder had another name."""
    (tmp_path / "servers").mkdir()
    (tmp_path / "servers/plc1_4840.der").write_bytes(certificates.authority)
    TrustStore(tmp_path).check(PLC, certificates.authority, trust="first")
    with pytest.raises(DeniedError, match="another certificate"):
        TrustStore(tmp_path).check(PLC, certificates.made(), trust="first")


def test_only_listed_servers_are_trusted_where_that_is_asked_for(tmp_path, certificates):
    """An unknown one waits among the rejected; moving its file is all it takes."""
    store, shown = TrustStore(tmp_path), certificates.made()
    for _ in range(2):
        with pytest.raises(DeniedError, match="not among the trusted ones") as caught:
            store.check(PLC, shown, trust="listed")
    (waiting,) = (tmp_path / "rejected").iterdir()
    assert str(waiting) in caught.value.hint
    put(tmp_path, shown)
    store.check(PLC, shown, trust="listed")


def test_what_a_listed_authority_signed_is_trusted_for_its_host(tmp_path, certificates):
    """Its dates and its host count; what the same key signed without being told to, does not."""
    store = TrustStore(tmp_path)
    put(tmp_path, certificates.authority)
    store.check(PLC, certificates.made(hosts=["PLC1"], signed=True), trust="listed")
    wrong = {
        "was made for plc2, plc3": certificates.made(hosts=["plc2", "plc3"], signed=True),
        "was made for no host at all": certificates.made(signed=True),
        "expired on": certificates.made(days=-1, hosts=["plc1"], signed=True),
        "is not valid before": certificates.made(days=90, hosts=["plc1"], signed=True),
        "not among the trusted": certificates.made(hosts=["plc1"]),
    }
    for says, shown in wrong.items():
        with pytest.raises(DeniedError, match=says) as caught:
            store.check(PLC, shown, trust="listed")
        assert "move" in caught.value.hint


def test_an_expired_certificate_is_not_trusted_at_first_sight(tmp_path, certificates):
    """One that was trusted before goes on: a plant does not stop at midnight for a date."""
    expired = certificates.made(days=-1)
    with pytest.raises(DeniedError, match="expired on"):
        TrustStore(tmp_path).check(PLC, expired, trust="first")
    put(tmp_path, expired)
    TrustStore(tmp_path).check(PLC, expired, trust="first")


def test_files_that_are_no_certificates_are_passed_over(tmp_path, certificates, caplog):
    """With a word in the log; and bytes from a server that are none are refused."""
    put(tmp_path, b"rubbish", "rubbish.der")
    shown = certificates.made()
    put(tmp_path, shown)
    TrustStore(tmp_path).check(PLC, shown, trust="listed")
    assert "rubbish.der is no certificate" in caplog.records[0].getMessage()
    for nothing in (b"", b"rubbish", b"\x30\x82\xff"):
        with pytest.raises(DeniedError, match="no certificate"):
            TrustStore(tmp_path).check(PLC, nothing, trust="first")


def test_of_a_chain_the_servers_own_certificate_counts(certificates):
    """It comes first, and DER says where it ends."""
    own = certificates.made(signed=True)
    assert own == leaf(own + certificates.authority) == leaf(own)


def test_a_flood_of_certificates_does_not_fill_the_disk(tmp_path, certificates):
    """No more than a hundred rejected ones are kept."""
    (tmp_path / "rejected").mkdir()
    for n in range(100):
        (tmp_path / "rejected" / f"{n}.der").write_bytes(b"")
    with pytest.raises(DeniedError):
        TrustStore(tmp_path).check(PLC, certificates.made(), trust="listed")
    assert 100 == len(list((tmp_path / "rejected").iterdir()))


def test_a_folder_that_cannot_be_written_is_said(tmp_path, certificates):
    """With its name and what to do."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot keep an OPC UA certificate"):
        TrustStore(tmp_path / "file").check(PLC, certificates.made(), trust="first")
