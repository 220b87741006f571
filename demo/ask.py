"""Asks sentinel's socket for credentials with the token of the environment; prints the answer as a line of JSON.

With --lend it first prints the socket and the token, as a careless program might, and waits for a line on its input.
"""

import http.client
import json
import os
import socket
import sys


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=10)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def main():
    path, token = os.environ["SENTINEL_UNIX_SOCKET"], os.environ["SENTINEL_AUTH_TOKEN"]
    if "--lend" in sys.argv:
        print(json.dumps({"socket": path, "token": token}), flush=True)
        sys.stdin.readline()
    connection = UnixConnection(path)
    connection.request("GET", "/", headers={"Authorization": token})
    answer = connection.getresponse()
    body = answer.read().decode()
    # What was granted is named by its key id; the secret stays in this process.
    shown = json.loads(body)["AccessKeyId"] if answer.status == 200 else body
    print(json.dumps({"status": answer.status, "shown": shown}), flush=True)


if __name__ == "__main__":
    main()
