"""Asks the socket of its own sentinel, on a new connection for each line of its input. Prints `STATUS BODY`, or `closed`."""

import http.client
import os
import socket
import sys


def ask():
    connection = http.client.HTTPConnection("localhost")
    connection.auto_open = 0
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(120)
    connection.sock.connect(os.environ["SENTINEL_UNIX_SOCKET"])
    try:
        connection.request("GET", "/", headers={"Authorization": os.environ["SENTINEL_AUTH_TOKEN"]})
        answer = connection.getresponse()
        return f"{answer.status} {answer.read().decode()}"
    except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
        return "closed"
    finally:
        connection.close()


print("ready", flush=True)
for line in sys.stdin:
    print(ask(), flush=True)
