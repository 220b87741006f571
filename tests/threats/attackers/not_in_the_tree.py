# Reads a victim's socket and token from its /proc/PID/environ and asks with them, from wherever it is.
#
#     not_in_the_tree.py PIDFILE OUT [orphan] [double-fork]
#
# PIDFILE appears once the victim runs. The answer's bytes go to OUT. With `orphan` it first waits until whoever started it is
# gone. With `double-fork` it becomes an orphan by itself.

import os
import socket
import sys
import time

DEADLINE = time.monotonic() + 120


def until(ask):
    while time.monotonic() < DEADLINE:
        answer = ask()
        if answer:
            return answer
        time.sleep(0.002)
    raise SystemExit("the deadline is over")


def content(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def environment(pid):
    return dict(pair.split(b"=", 1) for pair in content(f"/proc/{pid}/environ").split(b"\0") if b"=" in pair)


def ask(path, token):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(120)
        connection.connect(path)
        head = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: %s\r\n\r\n"
        connection.sendall(head % token)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer


def deliver(out, answer):
    with open(out + ".part", "wb") as file:
        file.write(answer)
    os.rename(out + ".part", out)


def attack(pid_file, out):
    pid = int(until(lambda: content(pid_file).strip()))
    stolen = environment(pid)
    deliver(out, ask(stolen[b"SENTINEL_UNIX_SOCKET"], stolen[b"SENTINEL_AUTH_TOKEN"]))


def main():
    pid_file, out, *how = sys.argv[1:]
    if "double-fork" in how:
        # The first child ends at once, and the second belongs to whoever adopts it.
        if os.fork():
            os.wait()
            return
        os.setsid()
        middle = os.getpid()
        if os.fork():
            os._exit(0)
        until(lambda: os.getppid() != middle)
    if "orphan" in how:
        starter = os.getppid()
        until(lambda: os.getppid() != starter)
    attack(pid_file, out)


if __name__ == "__main__":
    main()
