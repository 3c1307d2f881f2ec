"""TLS on the mocked port: the user's certificate, or one of a CA that is made for this run."""

from __future__ import annotations

import asyncio
import socket
import ssl
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, get_args

from mockserver.errors import SettingsError, unknown
from mockserver.settings import Settings, TlsMode

if TYPE_CHECKING:
    from trustme import CA

NAMES: Final = ("localhost", "127.0.0.1", "::1", "host.docker.internal")
NOT_TRUSTED: Final = "the TLS client does not trust the certificate; give it the CA file"
NO_REQUEST: Final = "a TLS connection ended without a request; does the client trust the certificate (its CA file)?"
NOT_FINISHED: Final = "a TLS client has not finished its handshake; does it trust the certificate (its CA file)?"
HANDSHAKE_S: Final = 1.0
"""Seconds after which a client that says nothing more is taken to have given up."""

_PLAIN_HTTP: Final = "plain HTTP on the TLS port: use an https:// URL"
_DISTRUST: Final = ("UNKNOWN_CA", "CERTIFICATE_UNKNOWN", "BAD_CERTIFICATE")


class SelfSigned(NamedTuple):
    """A certificate of a new CA with its key, as PEM, and the file with the CA."""

    pem: bytes
    ca_file: Path


def is_on(settings: Settings) -> bool:
    """Return whether the server speaks TLS."""
    return settings.tls is not None or settings.tls_cert is not None or settings.tls_key is not None


def server_context(
    settings: Settings, on_failed: Callable[[str], None], made: SelfSigned | None = None
) -> tuple[ssl.SSLContext, Path | None]:
    """Return the context of a server that speaks TLS, and the CA file of a self-signed one.

    Its certificate is new unless it was `made` before. `on_failed` is called with the reason of each failed handshake.
    Raises SettingsError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    context.sslobject_class = _observed(on_failed)
    if settings.tls is None:
        _load(context, *(None if file is None else Path(file) for file in (settings.tls_cert, settings.tls_key)))
        return context, None
    made = made or self_signed(settings)
    with tempfile.TemporaryDirectory(prefix="mockserver-") as folder:  # the ssl module reads keys from files only
        file = Path(folder) / "certificate.pem"
        file.write_bytes(made.pem)
        context.load_cert_chain(file)
    return context, made.ca_file


def self_signed(settings: Settings) -> SelfSigned:
    """Return a new certificate for the names of this server, with its CA in a file. Raises SettingsError."""
    if settings.tls not in get_args(TlsMode):
        raise SettingsError(unknown("tls mode", str(settings.tls), get_args(TlsMode)))
    if settings.tls_cert is not None or settings.tls_key is not None:
        raise SettingsError("--tls self-signed and --tls-cert exclude each other; give one of them")
    authority = _authority()
    names = (*NAMES, settings.host, socket.gethostname(), *settings.allowed_hosts)
    certificate = authority.issue_cert(*dict.fromkeys(filter(None, names)))
    pem = certificate.private_key_and_cert_chain_pem.bytes()
    return SelfSigned(pem=pem, ca_file=_written(authority, settings.ready_file))


def _load(context: ssl.SSLContext, cert: Path | None, key: Path | None) -> None:
    if cert is None:
        raise SettingsError("--tls-key needs --tls-cert, the file with the certificate")
    for flag, file in (("--tls-cert", cert), ("--tls-key", key)):
        if file is not None:
            try:
                file.read_bytes()
            except OSError as error:
                raise SettingsError(f"{flag}: cannot read {file}: {error.strerror}") from None

    def refuse_password() -> str:
        raise SettingsError(f"--tls-key: {key or cert} is encrypted; give a key without a password")

    try:
        context.load_cert_chain(cert, key, password=refuse_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            detail = f"the key in {key or cert} does not belong to the certificate in {cert}"
        else:
            detail = (
                f"{cert}{'' if key is None else f' and {key}'}: not a certificate and its private key in PEM format"
            )
        raise SettingsError(f"--tls-cert, --tls-key: {detail}") from None


def _authority() -> CA:
    try:
        from trustme import CA
    except ImportError:
        raise SettingsError(
            "--tls self-signed needs the package trustme: pip install 'mockserver[tls]' (or use --tls-cert)"
        ) from None
    return CA(organization_name="mockserver")


def _written(authority: CA, ready_file: Path | None) -> Path:
    """Write the CA file beside the ready file, or else to a folder for temporary files."""
    try:
        if ready_file is None:
            file = Path(tempfile.mkdtemp(prefix="mockserver-")) / "ca.pem"
        else:
            file = ready_file.with_name(f"{ready_file.name}.ca.pem").absolute()
        authority.cert_pem.write_to_path(str(file))
    except OSError as error:
        raise SettingsError(
            f"cannot write the CA file: {error}; set TMPDIR or --ready-file to a writable place, or use --tls-cert"
        ) from None
    return file


def remove(ca_file: Path) -> None:
    """Remove the CA file of a run that is over, and the folder made for it."""
    ca_file.unlink(missing_ok=True)
    if ca_file.name == "ca.pem" and ca_file.parent.name.startswith("mockserver-"):
        ca_file.parent.rmdir()


def _observed(on_failed: Callable[[str], None]) -> type[ssl.SSLObject]:
    """Return a class of TLS connections that tells why a handshake failed: the event loop drops the error.

    A client that gives up may send no reason: it is noticed by the time that has passed since its first message.
    """

    class Observed(ssl.SSLObject):
        _steps = 0
        _over = False

        def do_handshake(self) -> None:
            self._steps += 1
            if self._steps == 2:  # the first call is made before anything has arrived
                asyncio.get_running_loop().call_later(HANDSHAKE_S, self._give_up)
            try:
                super().do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise
            except ssl.SSLError as error:
                self._over = True
                on_failed(_reason(error))
                raise
            self._over = True

        def _give_up(self) -> None:
            if not self._over:
                on_failed(NOT_FINISHED)

    return Observed


def _reason(error: ssl.SSLError) -> str:
    reason = error.reason or str(error)
    if reason in ("HTTP_REQUEST", "HTTPS_PROXY_REQUEST"):
        return _PLAIN_HTTP
    if any(word in reason for word in _DISTRUST):
        return NOT_TRUSTED
    return f"the TLS handshake failed: {reason}"
