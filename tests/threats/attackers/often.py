"""Asks its own sentinel when a line of its input says so.

`NUMBER` asks that often, one after the other, `for SECONDS` that long, both on one connection where it stays open; `helper`
runs the helper, which is the first argument. Prints how many answers had each status, the seconds that it took, those of the
slowest answer but one, the last Retry-After, and `other` for every answer of 429 that is not the documented one.
Prints `ready`, the place and the token first. With a place and a token as further arguments it is a stranger who knows them.
"""

import collections
import http.client
import json
import os
import socket
import subprocess
import sys
import time

if len(sys.argv) > 3:
    PLACE, TOKEN = sys.argv[2:4]
else:
    PLACE = os.environ.get("SENTINEL_UNIX_SOCKET") or os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
    TOKEN = os.environ.get("SENTINEL_AUTH_TOKEN") or os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
HOST = PLACE[len("http://") :].rstrip("/") if PLACE.startswith("http") else None
LIMITED = {"code": "RateLimited", "message": "Rate limit exceeded"}
LIMITED |= {name.capitalize(): text for name, text in LIMITED.items()}


class Connection(http.client.HTTPConnection):
    def connect(self):
        if HOST:
            super().connect()
        else:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(120)
            self.sock.connect(PLACE)


connection = Connection(HOST or "localhost", timeout=120)


def ask(seen):
    try:
        connection.request("GET", "/", headers={"Authorization": TOKEN})
        answer = connection.getresponse()
        body = answer.read()
    except OSError:
        # A stranger's connection may be closed without an answer.
        connection.close()
        seen["dropped"] += 1
        return None
    seen[answer.status] += 1
    if answer.status == 429 and json.loads(body) != LIMITED:
        seen["other"] += 1
    return answer.headers.get("Retry-After")


print("ready", PLACE, TOKEN)
for line in sys.stdin:
    words = line.split()
    if words == ["helper"]:
        print("helper", subprocess.run([sys.argv[1], "credentials"], stdout=subprocess.DEVNULL).returncode)
        continue
    seen, after, slowest, began = collections.Counter(), None, [], time.monotonic()
    left, end = (float("inf"), began + float(words[1])) if words[0] == "for" else (int(words[0]), float("inf"))
    now = began
    while left > 0 and now < end:
        asked_at, left = now, left - 1
        after = ask(seen) or after
        now = time.monotonic()
        slowest = sorted([*slowest, now - asked_at])[-2:]
    counts = sorted((str(name), count) for name, count in seen.items())
    print(*(f"{name}={count}" for name, count in counts), f"took={now - began:.3f}", end=" ")
    print(f"second_slowest={slowest[0]:.3f} after={after or 0}")
