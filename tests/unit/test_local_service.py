"""`hotline up`: the address that it prints, and what it gives to Temporal."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from hotline.local.service import named_host, temporal
from hotline.settings import Settings


def certificate(file: Path, *names: str) -> Path:
    """Write a certificate for these names and addresses."""
    key, name, now = ec.generate_private_key(ec.SECP256R1()), x509.Name([]), datetime.now(UTC)
    named = [
        x509.IPAddress(ip_address(each)) if each[-1].isdigit() or ":" in each else x509.DNSName(each) for each in names
    ]
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(named), critical=False)
        .sign(key, SHA256())
    )
    file.write_bytes(made.public_bytes(Encoding.PEM))
    return file


@pytest.mark.parametrize(
    ("names", "host", "printed"),
    [
        (["localhost"], "127.0.0.1", "localhost"),
        (["localhost", "127.0.0.1"], "127.0.0.1", "127.0.0.1"),
        (["::1"], "0.0.0.0", "::1"),  # noqa: S104 - nothing is bound here
        (["hotline.example"], "0.0.0.0", "hotline.example"),  # noqa: S104 - nothing is bound here
        (["other.example"], "127.0.0.1", "127.0.0.1"),
    ],
)
def test_the_printed_address_is_one_that_the_certificate_names(
    tmp_path: Path, names: list[str], host: str, printed: str
) -> None:
    file = certificate(tmp_path / "certificate.pem", *names)
    settings = Settings(
        data_dir=tmp_path, api_host=host, tls_certificate=file, tls_key=file, allowed_hosts="hotline.example"
    )
    assert named_host(settings) == printed


def test_without_a_certificate_it_is_the_address_of_this_machine(tmp_path: Path) -> None:
    assert named_host(Settings(data_dir=tmp_path)) == "127.0.0.1"
    (tmp_path / "certificate.pem").write_text("no certificate")
    file = tmp_path / "certificate.pem"
    assert named_host(Settings(data_dir=tmp_path, tls_certificate=file, tls_key=file)) == "127.0.0.1"


def test_temporal_is_given_no_variable_of_the_service(tmp_path: Path) -> None:
    given = {"HOTLINE_KEYS": "{}", "hotline_database_url": "postgresql://hotline:secret@sql/hotline", "HOME": "/home"}
    found = temporal(Settings(data_dir=tmp_path), given, ("127.0.0.1", 8233)).env
    assert found["HOME"] == "/home"
    assert not [name for name in found if name.upper().startswith("HOTLINE_")]
