"""What comes of each attack in one mode, on one kernel tier. Arguments: the tier, the mode, further options of exec. A line
is the attacker's name in modes.rs and what it got.
"""

import ctypes
import os
import sys

from arena import HERE, PYTHON, ROOT, SENTINEL, USER, Peer, Tree, hand_over, report, start, until
from peer import ask, become, in_child, question

tier, mode, options = sys.argv[1], sys.argv[2], sys.argv[3:]
ANOTHER_USER = 1
PTRACE_SEIZE = 0x4206


def as_user(uid, work, *arguments):
    """The result of the work, done by a child that is this user."""

    def as_other():
        if ROOT:
            become(uid)
        return work(*arguments)

    return in_child(as_other)


def environment(pid):
    with open(f"/proc/{pid}/environ", "rb") as file:
        pairs = [pair.partition(b"=") for pair in file.read().split(b"\0")]
    return {name.decode(): value.decode() for name, _, value in pairs}


def read_environment(pid):
    """What the environment of a process gives to whoever reads it."""
    try:
        found = environment(pid)
    except PermissionError:
        return "kept out"
    if "AWS_SECRET_ACCESS_KEY" in found:
        return "credentials"
    return "token" if {"SENTINEL_AUTH_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN"} & set(found) else "nothing"


def open_pipe(pid, number):
    """What the pipe that is this process's descriptor gives."""
    try:
        with open(f"/proc/{pid}/fd/{number}", "rb") as pipe:
            return "credentials" if b"SecretAccessKey" in pipe.read() else "nothing"
    except PermissionError:
        return "kept out"


def look_into(pid):
    """What another process of the same user gets of this one's memory and descriptors."""
    for name in ("mem", "environ", "maps", "fd"):
        try:
            os.listdir(f"/proc/{pid}/fd") if name == "fd" else os.close(os.open(f"/proc/{pid}/{name}", os.O_RDONLY))
        except PermissionError:
            continue
        return name
    # Ends with the process that seized it.
    return "kept out" if ctypes.CDLL(None).ptrace(PTRACE_SEIZE, pid, 0, 0) != 0 else "traced"


def ask_if_possible(path, token):
    """For whoever may not even connect."""
    try:
        return ask(path, token)
    except PermissionError:
        return "kept out"


def told_by(end, what):
    """What the daemon that a child leaves behind finds after the child's end."""
    file = os.path.join(HERE, f"after-{os.getpid()}")
    what(file)
    end()
    until(lambda: os.path.exists(file), "the daemon")
    with open(file) as found:
        return found.read()


def environment_mode():
    words = [PYTHON, f"{HERE}/tier.py", tier, SENTINEL, "exec", "--profile", "dev"]
    child = Peer([*words, "--log-file", os.path.join(HERE, "decisions"), "--"])
    report("tree", as_user(USER, read_environment, child.pid()))
    report("token", as_user(USER, read_environment, child.pid()))
    if ROOT:
        report("user", as_user(ANOTHER_USER, read_environment, child.pid()))
    report("after", told_by(child.end, child.leave_daemon_with_keys))


def server_mode():
    tree, stranger = Tree(tier, options, transport=mode), Peer()
    path, token = tree.socket, tree.token

    def judge(attacker, answer):
        if answer.startswith("HTTP/1.1 400 Bad Request\r\n"):
            report(attacker, "bad request")
        else:
            report(attacker, answer if answer == "kept out" else tree.verdict(answer))

    judge("tree", tree.ask_as_daemon(path, token))
    found = as_user(USER, read_environment, tree.pid())
    # The metadata endpoint gives a session token to whoever is inside, and to the thief one that it gave.
    if found != ("nothing" if mode == "--ec2-server" else "token"):
        raise SystemExit(f"the child's environment gives {found}")
    judge("token", stranger.ask(path, token))

    tree.connect("given", path)
    hand_over(tree, stranger, "given")
    tree.close("given")
    stranger.send("given", question(token, path))
    judge("given", stranger.answer("given"))

    tree.connect("shared", path)
    hand_over(tree, stranger, "shared")
    stranger.send("shared", question(token, path))
    judge("shared", stranger.answer("shared"))

    # At its best for the attacker: before sentinel looks at the connection.
    tree.stop()
    stranger.connect("taken", path)
    hand_over(stranger, tree, "taken")
    stranger.send("taken", question(token, path))
    tree.go_on()
    judge("taken", stranger.answer("taken"))

    if mode == "--unix-socket":
        report("pipe", as_user(USER, open_pipe, *tree.helper_at_work()))
    report("sentinel", as_user(USER, look_into, tree.process.pid))
    if ROOT:
        judge("user", as_user(ANOTHER_USER, ask_if_possible, path, token))
    # As if the browser were of the tree.
    tree.connect("page", path)
    tree.send("page", question(token, path).replace("\r\n\r\n", "\r\nOrigin: http://a.example\r\n\r\n"))
    judge("page", tree.answer("page"))
    judge("after", told_by(tree.end, lambda file: tree.leave_daemon(path, token, file)))


def not_started():
    code, output, _ = start(tier, options=[mode, *options])
    if code != 0 or output != "started\n":
        report("start", f"exit {code}")
        return True
    return False


if mode == "exec":
    environment_mode()
elif not not_started():
    server_mode()
