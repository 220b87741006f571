# Counts signals, and answers the lines `count` and `end`.

import os
import signal
import sys
import threading

# One byte for each delivery, also where Python calls a handler once for two. Reading them is how the main thread waits: a handler in
# Python runs only after a read(2) that the signal came just before.
reading, writing = os.pipe()
os.set_blocking(writing, False)
signal.set_wakeup_fd(writing)
NAMES = ("INT", "QUIT", "TSTP", "CONT")
COUNT = 0  # No signal's number.


def say(text):
    os.write(1, text.encode())


def handle(name):
    signal.signal(getattr(signal, "SIG" + name), lambda *_: None)


def answer():
    try:
        while (line := sys.stdin.readline()) == "count\n":
            os.write(writing, bytes([COUNT]))
    finally:
        os._exit(6 if line in ("end\n", "") else 1)


for name in ("INT", "QUIT", "CONT", "USR1"):
    handle(name)
if "handles-stop" in sys.argv:
    handle("TSTP")
# Before anything is read: in the background that stops this.
say("ready\n")
threading.Thread(target=answer).start()
counts = dict.fromkeys(NAMES, 0)
while True:
    for number in os.read(reading, 4096):
        if number == COUNT:
            say(" ".join(f"{name}={counts[name]}" for name in NAMES) + "\n")
        else:
            name = signal.Signals(number).name.removeprefix("SIG")
            counts[name] = counts.get(name, 0) + 1
            say(f"<{name}>")
