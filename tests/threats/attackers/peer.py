"""A process inside or outside of a tree that does what standard input says: a line is a JSON list, the name of a
function and its arguments; so is each answer, a line of JSON. It is the user's own program, which attackers
have taken over, or an attacker's.
"""

import ctypes
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading

import crowds
from talking import OWN_ADDRESS, PATIENCE_S, ask, connected, in_child, question, read_answer, session_token, socket_here

PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 4, 36
CLONE_FILES = 0x400
SYN_SENT = 2  # include/net/tcp_states.h
connections, waiting = {}, {}


def where():
    if "AWS_CONTAINER_CREDENTIALS_FULL_URI" in os.environ:
        address = os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"].removeprefix("http://").partition("/")[0]
        return [address, os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]]
    if "AWS_EC2_METADATA_SERVICE_ENDPOINT" in os.environ:
        address = os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"].removeprefix("http://")
        return [address, session_token(address)]
    return [os.environ["SENTINEL_UNIX_SOCKET"], os.environ["SENTINEL_AUTH_TOKEN"]]


def pid():
    return os.getpid()


def has_get_info():
    """Whether PIDFD_GET_INFO works here, and so in the sentinel that started this, which has the same filter."""
    mask = struct.pack("=Q56x", 3)
    try:
        return fcntl.ioctl(os.pidfd_open(os.getpid()), 0xC040FF0B, mask) != mask
    except OSError:
        return False


def ask_as_child(path, token):
    return in_child(ask, path, token)


def ask_as_grandchild(path, token):
    return in_child(ask_as_child, path, token)


def ask_as_orphan(path, token):
    """A child is a subreaper, and asks through a grandchild that has come to it."""

    def work():
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        return ask_as_daemon(path, token)

    return in_child(work)


def ask_as_daemon(path, token):
    """The grandchild asks, once its parent has ended, from a session of its own."""
    reader, writer = os.pipe()
    middle = os.fork()
    if middle == 0:
        middle = os.getpid()
        if os.fork() == 0:
            os.setsid()
            while os.getppid() == middle:
                pass
            os.write(writer, json.dumps(ask(path, token)).encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(middle, 0)
    with os.fdopen(reader) as result:
        return json.loads(result.read())


def ask_undumpable(path, token):
    def work():
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
        return ask(path, token)

    return in_child(work)


def ask_with_own_descriptors(path, token):
    """Asks from a thread that shares its descriptors with no other, as /proc/PID/fd does not show."""
    answers = []

    def work():
        if ctypes.CDLL(None).unshare(CLONE_FILES) == 0:
            answers.append(ask(path, token))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return answers[0]


def ask_after_setuid(path, token, uid):
    def work():
        connection = connected(path)
        os.setuid(uid)
        connection.sendall(question(token).encode())
        return read_answer(connection)

    return in_child(work)


def ask_with_descriptors(path, token, count):
    """Asks through the last of this many descriptors."""
    import resource

    def work():
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        null = os.open("/dev/null", os.O_RDONLY)
        for _ in range(count):
            os.dup(null)
        return ask(path, token)

    return in_child(work)


def connect(name, path):
    connections[name] = connected(path)


def connect_from(name, path, port):
    """From this port of an address of our own; 0 is any."""
    connections[name] = connected(path, port)


def connect_beside(name, path):
    """With a socket that is bound to a device: one that is not may then have the same addresses. Returns the port."""
    made = connections[name] = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.settimeout(PATIENCE_S)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
    made.bind((OWN_ADDRESS, 0))
    host, number = path.split(":")
    made.connect((host, int(number)))
    return port(name)


def keep_alive(name):
    """Returns once the other end was asked whether it is there, and has answered: a question that is out of order. The next
    such, which another's wish to connect is to it, it leaves unanswered for half a second (tcp_invalid_ratelimit)."""
    made = connections[name]
    for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL):
        made.setsockopt(socket.IPPROTO_TCP, option, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def since_last_answer_ms():
        """tcpi_last_ack_recv (linux/tcp.h)."""
        return struct.unpack_from("=I", made.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 60), 56)[0]

    for happened in (lambda: since_last_answer_ms() > 500, lambda: since_last_answer_ms() < 500):
        while not happened():
            pass


def begin_to_connect(name, path, port):
    """Asks for a connection from this port, and does not wait for it. Returns whether it is still to come."""
    made = connections[name] = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setblocking(False)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((OWN_ADDRESS, port))
    host, number = path.split(":")
    made.connect_ex((host, int(number)))
    return made.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == SYN_SENT


def port(name):
    return connections[name].getsockname()[1]


def number(name):
    return connections[name].fileno()


def reset(name):
    """Ends it at once, so that its port is free again."""
    connections[name].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    close(name)


def renumber(name, number):
    """Gives its descriptor this number."""
    old = connections[name].detach()
    if old != number:
        os.dup2(old, number)
        os.close(old)
    connections[name] = socket.socket(fileno=number)
    connections[name].settimeout(PATIENCE_S)


def send(name, text):
    try:
        connections[name].sendall(text.encode())
    except ConnectionError:
        pass


def answer(name):
    return read_answer(connections[name])


def listen(path):
    connections[path] = socket_here()
    connections[path].bind(path)
    connections[path].listen()


def pass_on(name, path):
    with connected(path) as channel:
        socket.send_fds(channel, [b"x"], [connections[name].fileno()])


def take(name, path):
    with connections.pop(path).accept()[0] as channel:
        _, [descriptor], _, _ = socket.recv_fds(channel, 1, 1)
    os.unlink(path)
    connections[name] = socket.socket(fileno=descriptor)
    connections[name].settimeout(PATIENCE_S)


def close(name):
    connections.pop(name).close()


def leave(name, path, text):
    """A child connects, writes and ends; the connection stays, here. Returns its pid, which is free again."""
    connections[name] = socket_here()
    child = os.fork()
    if child == 0:
        connections[name].connect(path)
        connections[name].sendall(text.encode())
        os._exit(0)
    os.waitpid(child, 0)
    return child


def leave_served(name, path, token):
    """As `leave`, but the child ends after it had its answer. Returns the pid and the answer."""
    connections[name] = socket_here()

    def work():
        connections[name].connect(path)
        connections[name].sendall(question(token).encode())
        return [os.getpid(), read_answer(connections[name])]

    return in_child(work)


def ask_as_heir(path, token, sentinel):
    """A child connects, and ends; its child, which has another parent by then, asks on the same connection. The child had an
    answer before it ended, or the sentinel with this pid stands still until it has. Returns both answers."""
    reader, writer = os.pipe()
    middle = os.fork()
    if middle == 0:
        middle = os.getpid()
        if sentinel:
            os.kill(sentinel, signal.SIGSTOP)
            while stat_of(sentinel)[0] != "T":
                pass
        connection, first = connected(path), ""
        if not sentinel:
            connection.sendall(question(token, path).encode())
            first = read_answer(connection)
        if os.fork() == 0:
            os.setsid()
            while os.getppid() == middle:
                pass
            try:
                connection.sendall(question(token, path).encode())
            except ConnectionError:
                pass
            if sentinel:
                os.kill(sentinel, signal.SIGCONT)
            os.write(writer, json.dumps([first, read_answer(connection)]).encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(middle, 0)
    with os.fdopen(reader) as result:
        return json.loads(result.read())


def stat_of(pid):
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()


def wait_as_child():
    """Starts a child that waits to be told, with all connections of this process. Returns its pid."""
    told, tell = os.pipe()
    heard, reply = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(tell)
        os.close(heard)
        for line in os.fdopen(told):
            function, *arguments = json.loads(line)
            os.write(reply, (json.dumps(call(function, arguments)) + "\n").encode())
        os._exit(0)
    os.close(told)
    os.close(reply)
    waiting[child] = (tell, os.fdopen(heard))
    return child


def through_child(child, function, *arguments):
    tell, heard = waiting[child]
    os.write(tell, (json.dumps([function, *arguments]) + "\n").encode())
    return json.loads(heard.readline())


def end_child(child):
    tell, heard = waiting.pop(child)
    os.close(tell)
    heard.close()
    os.waitpid(child, 0)


def become(uid):
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def run(words):
    done = subprocess.run(words, capture_output=True, text=True)
    return [done.returncode, done.stdout, done.stderr]


def helper_at_work():
    """What an SDK does for a credential_process, up to the point where the answer is in the pipe. Returns this pid and the
    descriptor that the answer would be read from."""
    helper = subprocess.Popen([os.environ["SENTINEL"], "credentials"], stdout=subprocess.PIPE)
    helper.wait()
    connections["helper"] = helper.stdout
    return [os.getpid(), helper.stdout.fileno()]


def leave_behind(work, file):
    """A daemon that writes the work's result to a file, under its name once it is whole."""
    middle = os.fork()
    if middle == 0:
        if os.fork() == 0:
            os.setsid()
            null = os.open("/dev/null", os.O_RDWR)
            for number in (0, 1):
                os.dup2(null, number)
            with open(f"{file}.part", "w") as part:
                part.write(work())
            os.rename(f"{file}.part", file)
        os._exit(0)
    os.waitpid(middle, 0)


def leave_daemon(path, token, file):
    """What a connection that was served gives to a daemon after the child's end, and what a new one does."""
    connection = connected(path)
    connection.sendall(question(token, path).encode())
    first = read_answer(connection)

    def work():
        # It ends when the server closes it.
        rest = read_answer(connection)
        try:
            return first and rest + ask(path, token)
        except OSError:
            return rest

    leave_behind(work, file)


def leave_daemon_with_keys(file):
    """The same for keys in the environment."""
    reader, writer = os.pipe()

    def work():
        os.close(writer)
        os.read(reader, 1)  # The child's end.
        return "credentials" if "AWS_SECRET_ACCESS_KEY" in os.environ else "nothing"

    leave_behind(work, file)
    os.close(reader)
    os.set_inheritable(writer, True)


def call(function, arguments):
    return (globals().get(function) or getattr(crowds, function))(*arguments)


def main():
    for line in sys.stdin:
        function, *arguments = json.loads(line)
        print(json.dumps(call(function, arguments)), flush=True)


if __name__ == "__main__":
    main()
