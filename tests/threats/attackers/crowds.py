"""Many processes at once: what a peer.py does when it is told to."""

import json
import os
import signal

from talking import ask


def ask_often(path, token, count):
    """The different answers."""
    return sorted({ask(path, token) for _ in range(count)})


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
