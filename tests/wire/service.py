"""Runs a command as the client of a service of the same user: service.py SENTINEL PLACE OPTION... -- COMMAND...

PLACE is `unix`, `tcp` or `imds`; SERVICE_PORT, where it is set, is the port to ask for. The command finds the service where it
would find an exec's server, and its process id in SERVICE_PID. The service ends with the command, whose status is this one's.
"""

import os
import socket
import subprocess
import sys
import tempfile

SENTINEL, PLACE, *rest = sys.argv[1:]
options, command = rest[: rest.index("--")], rest[rest.index("--") + 1 :]
directory = tempfile.mkdtemp()
path, token, notify = (f"{directory}/{name}" for name in ("s", "token", "notify"))
address = "127.0.0.1:" + os.environ.pop("SERVICE_PORT", "0")
places = {
    "unix": ["ecs", "--socket", path],
    "tcp": ["ecs", "--address", address, "--token-file", token],
    "imds": ["ec2", "--imds-address", address],
}
# Over TCP it takes both for the service to look for the process that holds a connection.
caller = ["--allow-uid", str(os.geteuid()), "--allow-gid", str(os.getegid())]

manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.bind(notify)
manager.settimeout(0.1)
service = subprocess.Popen(
    [SENTINEL, "serve", *places[PLACE], *caller, *options], stdin=subprocess.DEVNULL, env={**os.environ, "NOTIFY_SOCKET": notify}
)
ready = ""
while not ready.startswith("READY=1"):
    try:
        ready = manager.recv(1024).decode()
    except TimeoutError:
        if service.poll() is not None:
            sys.exit(service.returncode)

if PLACE == "unix":
    found = {"SENTINEL_UNIX_SOCKET": path, "SENTINEL_AUTH_TOKEN": "none"}
elif PLACE == "tcp":
    address = ready.rpartition(" ")[2]
    with open(token) as file:
        found = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{address}/", "AWS_CONTAINER_AUTHORIZATION_TOKEN": file.read()}
else:
    found = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://" + ready.rpartition(" ")[2]}
status = subprocess.run(command, env={**os.environ, **found, "SERVICE_PID": str(service.pid)}).returncode
service.terminate()
ended = service.wait()
sys.exit(status or ended)
