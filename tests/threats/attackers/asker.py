"""Asks the socket of its own sentinel on one connection, once for each line of its input. Prints `STATUS BODY`."""

import http.client
import os
import socket
import sys

connection = http.client.HTTPConnection("localhost")
# A connection that the server ends is not opened again behind our back.
connection.auto_open = 0
connection.sock = socket.socket(socket.AF_UNIX)
connection.sock.settimeout(120)
connection.sock.connect(os.environ["SENTINEL_UNIX_SOCKET"])
print("ready")
for line in sys.stdin:
    connection.request("GET", "/", headers={"Authorization": os.environ["SENTINEL_AUTH_TOKEN"]})
    answer = connection.getresponse()
    print(answer.status, answer.read().decode())
