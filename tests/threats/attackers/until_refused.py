"""Once told to, asks for credentials over and over until it is given none; then, if told again, until it is given some.

    until_refused.py              asks the socket, a connection for each request
    until_refused.py HELPER ...   runs the helper

Prints one line of JSON for each phase: what was given, as {access key: [expiration, time of the last question]}, and
the answer that ended the phase.
"""

import json
import os
import socket
import subprocess
import sys
import time


def from_socket():
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(120)
        stream.connect(os.environ["SENTINEL_UNIX_SOCKET"])
        token = os.environ["SENTINEL_AUTH_TOKEN"]
        stream.sendall(f"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: {token}\r\nConnection: close\r\n\r\n".encode())
        head, _, body = b"".join(iter(lambda: stream.recv(65536), b"")).decode().partition("\r\n\r\n")
    return head.startswith("HTTP/1.1 200 "), body


def from_helper():
    done = subprocess.run(sys.argv[1:], capture_output=True, text=True, timeout=120)
    return done.returncode == 0, done.stdout + done.stderr


ask = from_helper if sys.argv[1:] else from_socket
print("ready")
for wanted, _ in zip((False, True), sys.stdin):
    given = {}
    end = time.monotonic() + 120
    while True:
        asked = time.time()
        got, answer = ask()
        if got:
            credentials = json.loads(answer)
            given[credentials["AccessKeyId"]] = [credentials["Expiration"], asked]
        if got == wanted:
            break
        if time.monotonic() > end:
            answer = "it never ended"
            break
    print(json.dumps({"given": given, "last": answer}))
