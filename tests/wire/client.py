# What attackers speak HTTP with: sockets, so that every byte and every moment is theirs. Goes in front of their scripts.
import errno, fcntl, json, os, select, signal, socket, sys, time

# PATH is what a thief is told: the path of the Unix socket, the URI of the port, or the metadata endpoint, which has no slash.
HEADER, LINE = b"Authorization: ", b"GET / HTTP/1.1"
if "SENTINEL_UNIX_SOCKET" in os.environ:
    TOKEN = os.environ["SENTINEL_AUTH_TOKEN"].encode()
    PATH = ADDRESS = os.environ["SENTINEL_UNIX_SOCKET"]
    FAMILY, HOST = socket.AF_UNIX, b"localhost"
else:
    if "AWS_EC2_METADATA_SERVICE_ENDPOINT" in os.environ:
        # A thief has a session token of the tree's; who is inside gets one, below.
        TOKEN = os.environ.get("STOLEN_SESSION_TOKEN", "").encode()
        PATH = os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"]
        ROLE = os.environ.get("METADATA_ROLE", "base").encode()
        HEADER, LINE = b"X-aws-ec2-metadata-token: ", b"GET /latest/meta-data/iam/security-credentials/" + ROLE + b" HTTP/1.1"
    else:
        TOKEN = os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"].encode()
        PATH = os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
    HOST = PATH.removeprefix("http://").removesuffix("/").encode()
    FAMILY, ADDRESS = socket.AF_INET, ("127.0.0.1", int(HOST.rpartition(b":")[2]))
LIMIT_S = 120


def connect():
    s = socket.socket(FAMILY)
    s.settimeout(LIMIT_S)
    s.connect(ADDRESS)
    return s


def ask(token=..., line=LINE, more=b""):
    token = TOKEN if token is ... else token
    authorization = b"" if token is None else HEADER + token + b"\r\n"
    return line + b"\r\nHost: " + HOST + b"\r\n" + authorization + more + b"\r\n"


def answer(s, has_body=True):
    """The next whole answer, and nothing behind it; or what came before the end of the connection."""
    got = b""
    try:
        while not got.endswith(b"\r\n\r\n"):
            byte = s.recv(1)
            if not byte:
                return got
            got += byte
        fields = dict(line.lower().split(b": ", 1) for line in got.split(b"\r\n")[1:-2])
        left = int(fields[b"content-length"]) if has_body else 0
        while left:
            piece = s.recv(left)
            if not piece:
                return got
            got, left = got + piece, left - len(piece)
    except ConnectionError:
        pass
    return got


def status(raw):
    return int(raw.split(b" ", 2)[1]) if raw else 0


def to_end(s):
    """Everything until the connection is closed; fails if it is not."""
    got = b""
    try:
        while piece := s.recv(65536):
            got += piece
    except ConnectionError:
        pass
    return got


def try_send(s, raw):
    try:
        s.sendall(raw)
        return True
    except ConnectionError:
        return False


def wait_until_read(s):
    """Until the server has taken every byte out of the socket, or closed it (SIOCOUTQ, unix(7))."""
    end = time.monotonic() + LIMIT_S
    while int.from_bytes(fcntl.ioctl(s, 0x5411, bytes(4)), sys.byteorder):
        assert time.monotonic() < end, "the server does not read"
        os.sched_yield()


def once(raw, has_body=True):
    s = connect()
    try_send(s, raw)
    return answer(s, has_body)


def say(*words):
    print(*words, flush=True)


def session_token(ttl=b"21600"):
    return once(ask(None, b"PUT /latest/api/token HTTP/1.1", b"X-aws-ec2-metadata-token-ttl-seconds: " + ttl + b"\r\n"))


if not TOKEN:
    TOKEN = session_token().rpartition(b"\r\n")[2]
