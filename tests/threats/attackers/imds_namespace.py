"""The metadata address itself, in a network namespace that the test has made (`unshare -n`): argv is SENTINEL, the namespace
that this must not be, and a Python that has boto3, or nothing.

Nothing is sent before it is certain that this is no other namespace: 169.254.169.254 may be somebody's elsewhere.
"""

import os
import socket
import subprocess
import sys

SENTINEL, FOREIGN, CLIENT = sys.argv[1:]
ADDRESS = "169.254.169.254"
ONLY = """
import os, socket, sys
assert os.readlink("/proc/self/ns/net") != os.environ["FOREIGN_NAMESPACE"], "this is the host's network"
assert {name for _, name in socket.if_nameindex()} <= {"lo", "here", "there"}, "there are other interfaces"
for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
"""
# A client that is sockets alone, behind ONLY.
RAW = (
    ONLY
    + """
def once(raw, host="169.254.169.254"):
    s = socket.create_connection(("169.254.169.254", 80), 25)
    got = b""
    try:
        s.sendall(raw.replace("HOST", host).encode())
        while piece := s.recv(65536):
            got += piece
    except ConnectionError:
        pass
    return got.decode()
def put(more="", host="169.254.169.254"):
    return once("PUT /latest/api/token HTTP/1.1\\r\\nHost: HOST\\r\\nX-aws-ec2-metadata-token-ttl-seconds: 60\\r\\n"
                + more + "Connection: close\\r\\n\\r\\n", host)
def get(path, token, more="", host="169.254.169.254"):
    return once(f"GET /latest/meta-data/{path} HTTP/1.1\\r\\nHost: HOST\\r\\nX-aws-ec2-metadata-token: {token}\\r\\n"
                + more + "Connection: close\\r\\n\\r\\n", host)
def verdict(raw):
    return raw.split(" ")[1] if raw else "not a byte"
def body(raw):
    return raw.partition("\\r\\n\\r\\n")[2]
"""
)
BOTO3 = (
    ONLY
    + """
import boto3
# It asks once, and waits a second.
os.environ["AWS_METADATA_SERVICE_TIMEOUT"] = "60"
credentials = boto3.Session().get_credentials()
print("boto3:", credentials.method, credentials.get_frozen_credentials().access_key, flush=True)
"""
)
INSIDE = (
    RAW
    + """
import json
token = body(put())
role = body(get("iam/security-credentials/", token))
print("inside:", role, json.loads(body(get("iam/security-credentials/" + role, token)))["AccessKeyId"], flush=True)
print("with the port:", verdict(get("instance-id", token, host="169.254.169.254:80")), flush=True)
# A page whose own name has been made to lead here, and one that says where it is from.
for host in ["rebind.evil.example", "rebind.evil.example:80", "localhost", "127.0.0.1"]:
    print("a rebound page:", verdict(put(host=host)), verdict(get("instance-id", token, host=host)), flush=True)
print("a page:", verdict(put("Origin: http://evil.example\\r\\n")), verdict(get("instance-id", token, "Origin: null\\r\\n")),
      flush=True)
print("a proxy:", verdict(put("X-Forwarded-For: 10.77.0.2\\r\\n")), flush=True)
print(token, flush=True)
sys.stdin.read()
"""
)


def own_namespace():
    assert os.readlink("/proc/self/ns/net") != FOREIGN, "this is the host's network"
    names = {name for _, name in socket.if_nameindex()}
    assert names == {"lo"}, f"there are other interfaces: {names}"
    os.environ["FOREIGN_NAMESPACE"] = FOREIGN


def ip(words, prefix=()):
    subprocess.run([*prefix, "ip", *words.split()], check=True)


def exec_words(*command):
    return [SENTINEL, "exec", "--profile", "given", "--ec2-server", "--imds-address", ADDRESS, "--", *command]


def stranger(name, token, prefix=(), **how):
    script = RAW + "print(verdict(put()), verdict(get('instance-id', sys.argv[1])))"
    words = [*prefix, "/usr/bin/python3" if how else sys.executable, "-c", script, token]
    print(f"{name}:", subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True, **how).stdout.strip(), flush=True)


own_namespace()
ip("link set lo up")
# Not there yet: nothing is served on an address that is nobody's.
early = subprocess.run(exec_words("true"), stderr=subprocess.PIPE, text=True)
print("without the address:", early.returncode, early.stderr.splitlines()[0], flush=True)
ip(f"addr add {ADDRESS}/32 dev lo")
if CLIENT:
    subprocess.run(exec_words(CLIENT, "-c", BOTO3), check=True)

inside = subprocess.Popen(
    exec_words(sys.executable, "-u", "-c", INSIDE), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
)
for _ in range(8):
    print(inside.stdout.readline().strip(), flush=True)
token = inside.stdout.readline().strip()
stranger("a process of the same user", token)

# `ready` comes from the other namespace, which lives as long as its input is open.
other = subprocess.Popen(
    ["unshare", "-n", "sh", "-c", "echo ready; cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
)
assert other.stdout.readline() == "ready\n"
NSENTER = ["nsenter", f"--net=/proc/{other.pid}/ns/net", "--"]
ip(f"link add here type veth peer name there netns {other.pid}")
ip("addr add 10.77.0.1/24 dev here")
ip("link set here up")
ip("link set lo up", NSENTER)
ip("addr add 10.77.0.2/24 dev there", NSENTER)
ip("link set there up", NSENTER)
ip(f"route add {ADDRESS}/32 via 10.77.0.1", NSENTER)
stranger("a neighbour", token, NSENTER)

if os.getuid() == 0 and FOREIGN and open("/proc/self/uid_map").read().split() == ["0", "0", "4294967295"]:
    stranger("another user", token, user=65534, group=65534, extra_groups=[])
inside.stdin.close()
assert inside.wait() == 0
other.stdin.close()
