# Asks from places inside the tree, prints the status that each got, and waits for lines.

import ctypes
import os
import socket
import subprocess
import sys

SOCKET = os.environb[b"SENTINEL_UNIX_SOCKET"]
TOKEN = os.environb[b"SENTINEL_AUTH_TOKEN"]
PR_SET_CHILD_SUBREAPER = 36


def status(token=TOKEN):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(120)
        connection.connect(SOCKET)
        head = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: %s\r\n\r\n"
        connection.sendall(head % token)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer.split(b" ", 2)[1].decode()


def in_child(what):
    """Runs `what` in a child and returns what it says through a pipe, whoever its parent is by then."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.close(reading)
        code = 1
        try:
            what(writing)
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as answers:
        said = answers.read()
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return said


def orphan(say, adopter=None):
    """Forks a grandchild that asks once its parent has ended."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.setsid()
        parent = os.getpid()
        if os.fork() == 0:
            os.close(writing)
            # Ends when the parent does.
            os.read(reading, 1)
            while os.getppid() == parent:
                os.sched_yield()
            if adopter is not None and os.getppid() != adopter:
                os.write(say, b"wrong adopter")
            else:
                os.write(say, status().encode())
            os._exit(0)
        os._exit(0)
    os.close(reading)
    os.close(writing)


def nested_subreaper(say):
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    orphan(say, adopter=os.getpid())
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


def grandchild(say):
    os.write(say, in_child(lambda inner: os.write(inner, status().encode())).encode())


def main():
    print("self", status())
    print("grandchild", in_child(grandchild))
    print("daemon", in_child(orphan))
    print("nested subreaper", in_child(nested_subreaper))
    if len(sys.argv) > 1:
        # The same program, as pid 1 of a pid namespace below.
        below = "import os, in_the_tree as t; print(os.getpid() == 1, t.status())"
        run = subprocess.run([*sys.argv[2:], sys.executable, "-c", below], cwd=sys.argv[1], stdout=subprocess.PIPE)
        print("pid namespace", run.stdout.decode().strip())


if __name__ == "__main__":
    main()
