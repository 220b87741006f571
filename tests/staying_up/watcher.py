"""A client that fetches all the time, a new connection each time, as the first argument says in seconds.

Says `ready` once it was served. For each line of its input it prints as JSON what it has seen since it began: how many answers had
each status, the keys in the order of their first answer, answers whose credentials had ended when they were asked for (`stale`), and
the last answer that was none of credentials. What a service has to fetch first is waited for. For `crowd NUMBER` it makes so many connections that say nothing, waits until all were ended,
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
SOCKET = os.environ.get("SENTINEL_UNIX_SOCKET")
METADATA = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT")
ROLES = "/latest/meta-data/iam/security-credentials/"
HOST = (METADATA or os.environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI", "localhost")).removeprefix("http://").rstrip("/")

lock = threading.Lock()
statuses, keys, stale, last = collections.Counter(), [], [], None


def connect():
    if not SOCKET:
        host, port = HOST.split(":")
        return socket.create_connection((host, int(port)), timeout=120)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(120)
    connection.connect(SOCKET)
    return connection


def exchange(path, headers, method="GET"):
    """The status, 0 where the connection ends without one, and the body. A new connection."""
    connection = http.client.HTTPConnection(HOST, timeout=120)
    try:
        connection.sock = connect()
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except (ConnectionError, http.client.HTTPException) as error:
        return 0, json.dumps(repr(error))
    finally:
        connection.close()


def question():
    """The path of the credentials, and what it takes to be given them."""
    if not METADATA:
        token = os.environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN")
        return "/", {"Authorization": token} if token else {}
    status, session = exchange("/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "21600"}, "PUT")
    assert status == 200, session
    session = {"X-aws-ec2-metadata-token": session}
    return ROLES + exchange(ROLES, session)[1], session


QUESTION = question()


def look():
    global last
    asked_at = time.time()
    status, body = exchange(*QUESTION)
    body = json.loads(body)
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
    for one in [connect() for _ in range(size)]:
        try:
            one.recv(1)
        except ConnectionError:
            pass
        one.close()


while not statuses["200"]:
    statuses.clear()
    look()
    assert set(statuses) <= {"200", "503"}, last
threading.Thread(target=watch, daemon=True).start()
print("ready", flush=True)
for line in sys.stdin:
    if line.startswith("crowd "):
        crowd(int(line.split()[1]))
        print("gone", flush=True)
        continue
    with lock:
        print(json.dumps({"statuses": statuses, "keys": keys, "stale": stale, "last": last}), flush=True)
