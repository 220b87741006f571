"""The TLS in front of a test's own AWS: a certificate for whatever name is asked for, from an authority of its own.

Writes `ca.pem` (its authority) and `other-ca.pem` (another one) to a directory of its own, prints its port of 127.0.0.1 and
that directory, and ends with its input; then the directory is gone. A connection begins with a line that names the plain server's
port; then TLS. A client that asks for a name that begins with `misnamed.` gets the certificate of `someone-else.test`, and so does
everybody where `astray` stands behind the port.
"""

import datetime
import pathlib
import socket
import ssl
import sys
import tempfile
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)


def main():
    with tempfile.TemporaryDirectory(prefix="sentinel-tls-") as directory:
        listen(pathlib.Path(directory))
        sys.stdin.read()


def listen(directory):
    (directory / "other-ca.pem").write_bytes(pem(authority("another authority")[1]))
    key, certificate = authority("a test's authority")
    (directory / "ca.pem").write_bytes(pem(certificate))
    contexts = Contexts(directory, key, certificate)
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    threading.Thread(target=accept, args=(listener, contexts), daemon=True).start()
    print(listener.getsockname()[1], directory, flush=True)


def authority(name):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    builder = base(subject, subject, key.public_key(), key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return key, builder.add_extension(usage, critical=True).sign(key, hashes.SHA256())


def base(subject, issuer, key, issuer_key):
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key)
    builder = builder.add_extension(identifier, critical=False)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


class Contexts:
    """One TLS context for each name, made when it is first asked for."""

    def __init__(self, directory, key, authority):
        self.directory, self.authority_key, self.authority = directory, key, authority
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.lock, self.known = threading.Lock(), {}
        self.front = self.of("localhost")
        self.front.sni_callback = self.choose

    def choose(self, connection, name, _):
        name = name or "localhost"
        connection.context = self.of("someone-else.test" if name.startswith("misnamed.") else name)

    def of(self, name):
        with self.lock:
            if name not in self.known:
                self.known[name] = self.make(name)
            return self.known[name]

    def make(self, name):
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name[:64])])
        builder = base(subject, self.authority.subject, self.key.public_key(), self.authority_key.public_key())
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        certificate = builder.sign(self.authority_key, hashes.SHA256())
        private = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file = self.directory / "leaf.pem"
        file.write_bytes(pem(certificate) + private)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


def accept(listener, contexts):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, contexts), daemon=True).start()


def serve(connection, contexts):
    try:
        with connection:
            port = b""
            while not port.endswith(b"\n"):
                byte = connection.recv(1)
                if not byte:
                    return
                port += byte
            port, *astray = port.split()
            context = contexts.of("someone-else.test") if astray else contexts.front
            with context.wrap_socket(connection, server_side=True) as client:
                with socket.create_connection(("127.0.0.1", int(port))) as plain:
                    from_client, from_plain = client.makefile("rb"), plain.makefile("rb")
                    while relay(from_client, plain) and relay(from_plain, client):
                        pass
    except OSError:
        # A client that does not trust us is what some tests are about.
        pass


def relay(source, destination):
    """Passes one message of HTTP on; false at the connection's end."""
    head, length = [], 0
    while True:
        line = source.readline()
        if not line:
            return False
        head.append(line)
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
        if line in (b"\r\n", b"\n"):
            break
    destination.sendall(b"".join(head) + source.read(length))
    return True


if __name__ == "__main__":
    main()
