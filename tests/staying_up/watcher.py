"""A client that fetches all the time, a new connection each time, as the first argument says in seconds.

Says `ready` once it was served. For each line of its input it prints as JSON what it has seen since it began: how many answers had
each status, the keys in the order of their first answer, answers whose credentials had ended when they were asked for (`stale`), and
the last answer that was none of credentials. For `crowd NUMBER` it makes so many connections that say nothing, waits until all were ended,
and prints `gone`. Ends with its input.
"""

import collections
import datetime
import http.client
import json
import os
import socket
import sys
import threading
import time

EVERY_S = float(sys.argv[1])
URI = os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
HOST = URI.removeprefix("http://").rstrip("/")
TOKEN = os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]

lock = threading.Lock()
statuses, keys, stale, last = collections.Counter(), [], [], None


def ask():
    """The status, 0 where the connection ends without one, and the body."""
    connection = http.client.HTTPConnection(HOST, timeout=120)
    try:
        connection.request("GET", "/", headers={"Authorization": TOKEN})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    except (ConnectionError, http.client.HTTPException) as error:
        return 0, repr(error)
    finally:
        connection.close()


def look():
    global last
    asked_at = time.time()
    status, body = ask()
    with lock:
        statuses[str(status)] += 1
        if status != 200:
            last = [status, body]
            return
        if body["AccessKeyId"] not in keys:
            keys.append(body["AccessKeyId"])
        if datetime.datetime.fromisoformat(body["Expiration"].replace("Z", "+00:00")).timestamp() <= asked_at:
            stale.append([body["AccessKeyId"], body["Expiration"], asked_at])


def watch():
    while True:
        look()
        time.sleep(EVERY_S)


def crowd(size):
    """So many connections that say nothing, until each was ended."""
    host, port = HOST.split(":")
    for one in [socket.create_connection((host, int(port)), timeout=120) for _ in range(size)]:
        try:
            one.recv(1)
        except ConnectionError:
            pass
        one.close()


look()
assert statuses["200"] == 1, last
threading.Thread(target=watch, daemon=True).start()
print("ready", flush=True)
for line in sys.stdin:
    if line.startswith("crowd "):
        crowd(int(line.split()[1]))
        print("gone", flush=True)
        continue
    with lock:
        print(json.dumps({"statuses": statuses, "keys": keys, "stale": stale, "last": last}), flush=True)
