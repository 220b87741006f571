# Counts signals, and answers the lines `count` and `end`.

import collections
import os
import signal
import sys

# One byte for each delivery, also where Python calls a handler once for two.
reading, writing = os.pipe2(os.O_NONBLOCK)
signal.set_wakeup_fd(writing)
counts = collections.Counter()


def handle(name):
    signal.signal(getattr(signal, "SIG" + name), lambda *_: os.write(1, f"<{name}>".encode()))


def count():
    try:
        for number in os.read(reading, 4096):
            counts[signal.Signals(number).name] += 1
    except BlockingIOError:
        pass
    return " ".join(f"{name}={counts['SIG' + name]}" for name in ("INT", "QUIT", "TSTP", "CONT"))


for name in ("INT", "QUIT", "CONT", "USR1"):
    handle(name)
if "handles-stop" in sys.argv:
    handle("TSTP")
print("ready", flush=True)
while True:
    line = sys.stdin.readline()
    if line == "count\n":
        print(count(), flush=True)
    if line in ("end\n", ""):
        sys.exit(6)
