"""A process inside or outside of a tree that does what standard input says: a line is a JSON list, the name of a
function below and its arguments; so is each answer, a line of JSON. It is the user's own program, which attackers
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

PATIENCE_S = 25
PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 4, 36
connections, waiting = {}, {}


def question(token, path="/"):
    """A request; the path is a Unix socket's, `127.0.0.1:PORT`, or `mapped:PORT`."""
    host = "localhost" if path.startswith("/") else path.replace("mapped", "127.0.0.1")
    return f"GET / HTTP/1.1\r\nHost: {host}\r\nAuthorization: {token}\r\n\r\n"


def socket_here():
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.settimeout(PATIENCE_S)
    return made


def connected(path, own_port=0):
    if path.startswith("/"):
        made = socket_here()
        made.connect(path)
        return made
    host, port = path.split(":")
    # An IPv6 socket speaks IPv4 with an address that is mapped: so do all of Java's.
    family, host = (socket.AF_INET6, "::ffff:127.0.0.1") if host == "mapped" else (socket.AF_INET, host)
    made = socket.socket(family, socket.SOCK_STREAM)
    made.settimeout(PATIENCE_S)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if own_port:
        made.bind((host, own_port))
    made.connect((host, int(port)))
    return made


def read_answer(connection):
    """One answer, head and body; less where the connection ends first."""
    data, length = b"", None
    try:
        while length is None or len(data) < length:
            more = connection.recv(65536)
            if not more:
                break
            data += more
            head, found, _ = data.partition(b"\r\n\r\n")
            if found and length is None:
                sizes = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                length = len(head) + 4 + int(sizes[0].split(b":")[1])
    except ConnectionError:
        pass
    return data.decode()


def in_child(work, *arguments):
    """The result of the work, done by a child."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, json.dumps(work(*arguments)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as result:
        text = result.read()
    os.waitpid(child, 0)
    return json.loads(text)


def where():
    if "AWS_CONTAINER_CREDENTIALS_FULL_URI" in os.environ:
        address = os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"].removeprefix("http://").partition("/")[0]
        return [address, os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]]
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


def ask(path, token):
    try:
        with connected(path) as connection:
            connection.sendall(question(token, path).encode())
            return read_answer(connection)
    except ConnectionError:
        return ""


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


def ask_often(path, token, count):
    """The different answers."""
    return sorted({ask(path, token) for _ in range(count)})


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


def ask_in_a_storm(path, token, length):
    """A chain of processes, each of which starts the next, asks and ends without waiting, so that every one's parent ends
    while it is looked at. Returns the different answers."""
    reader, writer = os.pipe()

    def link(left):
        if left > 0 and os.fork() == 0:
            link(left - 1)
        # One write of under PIPE_BUF bytes a line is not mixed with others'.
        os.write(writer, (json.dumps(ask(path, token)[:12]) + "\n").encode())
        os._exit(0)

    first = os.fork()
    if first == 0:
        link(length - 1)
    os.close(writer)
    with os.fdopen(reader) as results:
        answers = [json.loads(line) for line in results]
    os.waitpid(first, 0)
    return [len(answers), sorted(set(answers))]


def race(path, token, count):
    """So many processes ask at once; then the winner asks again and all others too. Returns [pid, first, second]s."""
    start_reader, start_writer = os.pipe()
    result_reader, result_writer = os.pipe()
    children = []
    for _ in range(count):
        child = os.fork()
        if child == 0:
            os.close(start_writer)
            os.read(start_reader, 1)  # The barrier: the end of this pipe.
            both = [os.getpid(), ask(path, token)[:12], ask(path, token)[:12]]
            os.write(result_writer, (json.dumps(both) + "\n").encode())
            os._exit(0)
        children.append(child)
    os.close(start_reader)
    os.close(result_writer)
    os.close(start_writer)
    with os.fdopen(result_reader) as results:
        answers = [json.loads(line) for line in results]
    for child in children:
        os.waitpid(child, 0)
    return answers


def connect(name, path):
    connections[name] = connected(path)


def connect_from(name, path, port):
    connections[name] = connected(path, port)


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
            os.write(reply, (json.dumps(globals()[function](*arguments)) + "\n").encode())
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


def storm(workers):
    """Processes that do nothing but start others, which start others. Returns their pids."""
    pids = []
    for _ in range(workers):
        worker = os.fork()
        if worker == 0:
            while True:
                child = os.fork()
                if child == 0:
                    if os.fork() != 0:
                        os.wait()
                    os._exit(0)
                os.waitpid(child, 0)
        pids.append(worker)
    return pids


def ask_in_a_build(path, token, jobs, at_once):
    """Jobs of which every fourth asks while its elder brothers end, as make's do. Returns the different answers."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    data, alive = b"", 0
    for number in range(jobs + at_once):
        if alive == at_once or number >= jobs:
            os.wait()
            alive -= 1
            try:
                data += os.read(reader, 1 << 16)
            except BlockingIOError:
                pass
        if number < jobs:
            alive += 1
            if os.fork() == 0:
                if number % 4 == 0:
                    # One write of under PIPE_BUF bytes a line is not mixed with others'.
                    os.write(writer, (json.dumps(ask(path, token)) + "\n").encode())
                os._exit(0)
    os.close(reader)
    os.close(writer)
    answers = [json.loads(line) for line in data.splitlines()]
    return [len(answers), sorted(set(answers))]


def calm(pids):
    for worker in pids:
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)


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


def main():
    for line in sys.stdin:
        function, *arguments = json.loads(line)
        print(json.dumps(globals()[function](*arguments)), flush=True)


if __name__ == "__main__":
    main()
