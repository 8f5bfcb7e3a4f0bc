"""The certificates with which SNS signs: fetched from SNS's own hosts or taken from a folder, checked, and cached.

A certificate may sign where it bears SNS's name, was valid when the record was signed, and its chain ends at a root. Of
a folder all chains are checked. SNS serves its certificate without the one that issued it, so of a certificate that was
fetched alone the chain that is checked is the one of the connection to SNS's host, unless roots were given: then the
certificate's own must hold. Redirects are not followed, and proxies not asked.
"""

from __future__ import annotations

import http.client
import ssl
import time
import warnings
from collections import OrderedDict
from datetime import UTC, datetime
from functools import cache
from math import inf
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final

import boto3
import botocore
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from service.aws.clients import AwsError, Trouble
from service.facts import Instant, Reason, Unparsable

if TYPE_CHECKING:
    from collections.abc import Callable

    Fetch = Callable[[str, str], bytes | None]
    """Host and file name -> the file; None where it is not there. Raises `AwsError` where the host does not answer."""

SECONDS: Final = 5
LARGEST: Final = 64 * 1024
CACHED: Final = 64
"""Files that are remembered, those that are not there among them: a flood of forged names stays cheap."""
ABSENT: Final = 60.0
"""Seconds for which a file is taken for one that is not there: were it for good, one wrong answer would refuse all."""
_OK: Final = 200
_GONE: Final = frozenset({301, 302, 307, 308, 400, 403, 404, 410})


class CertificatesError(Exception):
    """The folder or the roots cannot be used; the text says why."""


class Certificates:
    """Finds the key behind a `SigningCertURL`. Any number of threads may ask."""

    def __init__(
        self,
        folder: str | None = None,
        roots: str | None = None,
        fetch: Fetch | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """From `folder` alone where one is given; `clock` in seconds. Raises `CertificatesError`."""
        self._clock = clock
        self._strict = roots is not None or folder is not None
        self._store = Store(_roots(roots))
        self._folder = None if folder is None else _folder(folder)
        self._fetch = fetch or fetched
        self._known: OrderedDict[tuple[str, str], tuple[float, list[x509.Certificate]]] = OrderedDict()
        self._lock = Lock()

    def signer(self, host: str, name: str, at: Instant) -> RSAPublicKey | Unparsable:
        """The key of the certificate `name` of `host`, which must have been valid at `at`."""
        chain = self._chain(host, name)
        if not chain:
            where = "in --sns-certificates" if self._folder is not None else f"at {host}"
            return _bad(f"{name} is not there {where}, or is no certificate")
        leaf, *others = chain
        when = datetime.fromtimestamp(at / 1000, UTC)
        if not leaf.not_valid_before_utc <= when <= leaf.not_valid_after_utc:
            return _bad(f"{name} was not valid when the record was signed")
        subjects = ("sns.amazonaws.com", host)
        if not self._strict and not others:
            if not _is_for(leaf, subjects):
                return _bad(f"{name} is no certificate of SNS's")
        elif not any(self._holds(leaf, others, when, subject) for subject in subjects):
            return _bad(f"the chain of {name} (issued by {leaf.issuer.rfc4514_string()[:100]}) does not end at a root")
        key = leaf.public_key()
        return key if isinstance(key, RSAPublicKey) else _bad(f"{name} holds no RSA key")

    def _chain(self, host: str, name: str) -> list[x509.Certificate]:
        if self._folder is not None:
            first = self._folder.get(name, [])
            return (
                [*first, *(each for other, some in self._folder.items() if other != name for each in some)]
                if first
                else []
            )
        with self._lock:
            until, chain = self._known.get((host, name), (0.0, []))
            if self._clock() < until:
                self._known.move_to_end((host, name))
                return chain
        chain = _read(self._fetch(host, name) or b"")
        with self._lock:
            self._known[host, name] = (inf if chain else self._clock() + ABSENT), chain
            while len(self._known) > CACHED:
                self._known.popitem(last=False)
        return chain

    def _holds(self, leaf: x509.Certificate, others: list[x509.Certificate], when: datetime, subject: str) -> bool:
        verifier = PolicyBuilder().store(self._store).time(when).build_server_verifier(x509.DNSName(subject))
        try:
            verifier.verify(leaf, others)
        except VerificationError:
            return False
        return True


def fetched(host: str, name: str) -> bytes | None:
    """The file from SNS's host, over a connection whose own certificate was checked."""
    connection = http.client.HTTPSConnection(host, timeout=SECONDS, context=trusting())
    try:
        connection.request("GET", f"/{name}")
        answer = connection.getresponse()
        body = answer.read(LARGEST + 1)
    except (OSError, http.client.HTTPException) as error:
        raise AwsError(
            # The host is of the record's choosing: one of a region that is none may never be reached.
            Trouble.UNREACHABLE if host.split(".")[1] in _regions() else Trouble.OTHER,
            f"{host}: its certificate cannot be fetched ({error}): open the way to it, or give --sns-certificates",
        ) from error
    finally:
        connection.close()
    if answer.status == _OK:
        return body if len(body) <= LARGEST else None
    if answer.status in _GONE:
        return None
    raise AwsError(Trouble.UNREACHABLE, f"{host}: its certificate cannot be fetched (HTTP {answer.status})")


@cache
def _regions() -> frozenset[str]:
    """Where AWS has SNS, as far as this botocore knows."""
    session = boto3.Session()
    partitions = session.get_available_partitions()
    return frozenset(region for each in partitions for region in session.get_available_regions("sns", each))


def _bad(detail: str) -> Unparsable:
    return Unparsable(Reason.BAD_CERTIFICATE, detail)


def _is_for(leaf: x509.Certificate, subjects: tuple[str, ...]) -> bool:
    """Whether it bears one of the names, and is no authority's."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        said = names.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        said = [str(each.value) for each in leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    try:
        if leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
    except x509.ExtensionNotFound:
        pass  # an end's certificate need not say that it is one
    return not set(subjects).isdisjoint(said)


def _read(pem: bytes) -> list[x509.Certificate]:
    """The certificates in a file; none where it is no PEM."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        return []


def _folder(path: str) -> dict[str, list[x509.Certificate]]:
    where = Path(path)
    if not where.is_dir():
        raise CertificatesError(f"--sns-certificates {path}: there is no such folder")
    found = {each.name: _read(each.read_bytes()) for each in sorted(where.glob("*.pem"))}
    if not any(found.values()):
        raise CertificatesError(f"--sns-certificates {path}: there is no .pem file with a certificate in it")
    return found


def _roots(path: str | None) -> list[x509.Certificate]:
    """Those of the file; else the system's; else botocore's own, which a slim image has."""
    if path is not None:
        try:
            found = _read(Path(path).read_bytes())
        except OSError as error:
            raise CertificatesError(f"--sns-roots {path}: {error.strerror}") from error
        if not found:
            raise CertificatesError(f"--sns-roots {path}: there is no certificate in it")
        return found
    return [each for der in trusting().get_ca_certs(binary_form=True) if (each := _root(der)) is not None]


def trusting() -> ssl.SSLContext:
    """A context that trusts what the system trusts; botocore's list where the system has none, as in a slim image."""
    context = ssl.create_default_context()
    if not context.get_ca_certs(binary_form=True):
        context.load_verify_locations(Path(botocore.__path__[0], "cacert.pem"))
    return context


def _root(der: bytes) -> x509.Certificate | None:
    """Some old roots break the rules so that cryptography takes them with a warning, or will not take them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        try:
            return x509.load_der_x509_certificate(der)
        except ValueError:
            return None
