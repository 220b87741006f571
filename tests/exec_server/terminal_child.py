# Counts signals, and answers the lines `count` and `end`.

import collections
import os
import signal
import sys

counts = collections.Counter()


def handle(name):
    def handler(*_):
        counts[name] += 1
        os.write(1, f"<{name}>".encode())

    return handler


for name in ("INT", "QUIT", "CONT"):
    signal.signal(getattr(signal, "SIG" + name), handle(name))
if "handles-stop" in sys.argv:
    signal.signal(signal.SIGTSTP, handle("TSTP"))
print("ready", flush=True)
while True:
    line = sys.stdin.readline()
    if line == "count\n":
        print(*(f"{name}={counts[name]}" for name in ("INT", "QUIT", "TSTP", "CONT")), flush=True)
    if line in ("end\n", ""):
        sys.exit(6)
