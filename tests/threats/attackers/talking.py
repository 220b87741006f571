"""How attackers talk to sentinel, over a Unix socket or TCP, and let children work for them."""

import json
import os
import socket

PATIENCE_S = 120
# Of the loopback network, and nobody else's: whoever comes from here has every port.
OWN_ADDRESS = "127.77.0.1"
# As long are the metadata endpoint's session tokens, and no others.
SESSION_TOKEN_LENGTH = 59


def question(token, path="/"):
    """A request; the path is a Unix socket's, `127.0.0.1:PORT`, or `mapped:PORT`."""
    host = "localhost" if path.startswith("/") else path.replace("mapped", "127.0.0.1")
    if len(token) == SESSION_TOKEN_LENGTH:
        line = "GET /latest/meta-data/iam/security-credentials/dev HTTP/1.1"
        return f"{line}\r\nHost: {host}\r\nX-aws-ec2-metadata-token: {token}\r\n\r\n"
    return f"GET / HTTP/1.1\r\nHost: {host}\r\nAuthorization: {token}\r\n\r\n"


def socket_here():
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.settimeout(PATIENCE_S)
    return made


def connected(path, own_port=None):
    if path.startswith("/"):
        made = socket_here()
        made.connect(path)
        return made
    host, port = path.split(":")
    # An IPv6 socket speaks IPv4 with an address that is mapped: so do all of Java's.
    family, host = (socket.AF_INET6, "::ffff:127.0.0.1") if host == "mapped" else (socket.AF_INET, host)
    made = socket.socket(family, socket.SOCK_STREAM)
    made.settimeout(PATIENCE_S)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if own_port is not None:
        made.bind((OWN_ADDRESS, own_port))
    made.connect((host, int(port)))
    return made


def read_answer(connection):
    """One answer, head and body; less where the connection ends first."""
    data, length = b"", None
    try:
        while length is None or len(data) < length:
            more = connection.recv(65536)
            if not more:
                break
            data += more
            head, found, _ = data.partition(b"\r\n\r\n")
            if found and length is None:
                sizes = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                length = len(head) + 4 + int(sizes[0].split(b":")[1])
    except ConnectionError:
        pass
    return data.decode()


def session_token(path):
    """One that the metadata endpoint gives."""
    with connected(path) as connection:
        connection.sendall(
            f"PUT /latest/api/token HTTP/1.1\r\nHost: {path}\r\nX-aws-ec2-metadata-token-ttl-seconds: 21600\r\n\r\n".encode()
        )
        return read_answer(connection).partition("\r\n\r\n")[2]


def in_child(work, *arguments):
    """The result of the work, done by a child."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, json.dumps(work(*arguments)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as result:
        text = result.read()
    os.waitpid(child, 0)
    return json.loads(text)


def ask(path, token):
    try:
        with connected(path) as connection:
            connection.sendall(question(token, path).encode())
            return read_answer(connection)
    except ConnectionError:
        return ""
