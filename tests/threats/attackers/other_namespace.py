"""sentinel in a network namespace of its own, with a cable to another one, and an attacker of its tree at the other end:
argv is the command that has a sentinel and a script, which finds the way to the other end in NSENTER. Run it in the namespace that
is sentinel's (`unshare -n`).

The kernel is told to route 127.0.0.1 over the cable on both sides: an attacker who has done that reaches the port.
"""

import os
import subprocess
import sys

# `ready` comes from the other namespace, which lives as long as its input is open.
other = subprocess.Popen(
    ["unshare", "-n", "sh", "-c", "echo ready; cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
)
assert other.stdout.readline() == "ready\n"
NSENTER = ["nsenter", f"--net=/proc/{other.pid}/ns/net", "--"]


def ip(words, prefix=()):
    subprocess.run([*prefix, "ip", *words.split()], check=True)


def route_loopback(device, prefix=()):
    line = f"echo 1 > /proc/sys/net/ipv4/conf/{device}/route_localnet"
    subprocess.run([*prefix, "unshare", "-m", "sh", "-c", f"mount -t sysfs s /sys; {line}"], check=True)


ip("link set lo up")
ip(f"link add here type veth peer name there netns {other.pid}")
ip("addr add 10.77.0.1/24 dev here")
ip("link set here up")
ip("addr add 10.77.0.2/24 dev there", NSENTER)
ip("link set there up", NSENTER)
route_loopback("here")
route_loopback("there", NSENTER)
# Loopback is down there, so 127.0.0.1 is not an address of that namespace.
ip("route add 127.0.0.1/32 via 10.77.0.1 dev there", NSENTER)

environment = {**os.environ, "NSENTER": " ".join(NSENTER)}
done = subprocess.run(sys.argv[1:], env=environment)
other.stdin.close()
other.wait()
sys.exit(done.returncode)
