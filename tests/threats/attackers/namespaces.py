"""T32: namespaces in which process ids and user ids are not what they seem. Arguments: what is attacked, the tier or the map, and
the transport."""

import ctypes
import os
import sys

from arena import HERE, PYTHON, ROOT, USER, Peer, Tree, report, start

AS_USER = ["setpriv", "--reuid", str(USER), "--regid", str(USER), "--clear-groups", "--"]
OWN_PIDS = ["unshare", "-pf", "--mount-proc", "--kill-child", "--", *AS_USER]
CLONE_NEWUSER = 0x10000000


def judge(case, tree, answer):
    report(case, tree.verdict(answer))


def child_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        [child] = children.read().split()
    return child


def pids(tier, transport, *options):
    """sentinel is process 1 of a pid namespace; attackers are outside, or come in from there."""
    tree = Tree(tier, options, user=None, prefix=OWN_PIDS, transport=transport)
    judge("inside", tree, tree.ask(tree.socket, tree.token))
    judge("process 0", tree, Peer().ask(tree.socket, tree.token))
    sentinel = child_of(tree.process.pid)
    came = Peer(["nsenter", "-t", sentinel, "-p", "--", *AS_USER], user=None)
    judge("came in from outside", tree, came.ask(tree.socket, tree.token))
    judge("came in, and was adopted by sentinel", tree, came.ask_as_daemon(tree.socket, tree.token))
    came.end()
    tree.end()


def foreign_proc(tier):
    """sentinel is in a pid namespace of its own, and /proc in the one outside: numbers there are other processes'."""
    prefix = ["unshare", "-pf", "--kill-child", "--", *AS_USER]
    code, output, errors = start(tier, prefix, user=None)
    report("a foreign /proc", f"{code} {output!r} {errors.splitlines()[0]}")


def users(maps, transport):
    """sentinel is in a user namespace with these of the maps `uid` and `gid`."""
    prefix = [PYTHON, f"{HERE}/namespaces.py", "enter", maps]
    # The user is all that counts, so that nothing but the user's ambiguity can be the reason for a refusal. The metadata
    # endpoint is for the tree alone: whoever is inside of that is refused for it.
    binding = [] if transport == "--ec2-server" else ["--bind", "uid"]
    tree = Tree("pidfs inode", binding, prefix=prefix, transport=transport)
    judge("inside", tree, tree.ask(tree.socket, tree.token))
    judge("the same user, outside", tree, Peer().ask(tree.socket, tree.token))
    if ROOT:
        judge("root, outside", tree, Peer(user=None).ask(tree.socket, tree.token))
    tree.end()


def enter(maps, *words):
    """Goes on in a new user namespace."""
    uid, gid = os.geteuid(), os.getegid()
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER) != 0:
        sys.exit("no user namespaces here")
    files = {"uid": f"1000 {uid} 1", "gid": f"1000 {gid} 1"}
    with open("/proc/self/setgroups", "w") as file:
        file.write("deny")
    for name in filter(None, maps.split("+")):
        with open(f"/proc/self/{name}_map", "w") as file:
            file.write(files[name])
    os.execvp(words[0], words)


def fallback():
    """A kernel that cannot name processes, and a user that nobody can name either."""
    prefix = [PYTHON, f"{HERE}/namespaces.py", "enter", ""]
    tree = Tree("none", ["--allow-fallback"], prefix=prefix)
    judge("an unmapped user, inside", tree, tree.ask(tree.socket, tree.token))
    judge("root as an unmapped user, outside", tree, Peer(user=None).ask(tree.socket, tree.token))
    tree.end()
    tree = Tree("none", ["--allow-fallback"], user=None, prefix=OWN_PIDS)
    judge("process 1's child", tree, tree.ask(tree.socket, tree.token))
    judge("process 0", tree, Peer().ask(tree.socket, tree.token))
    tree.end()


def nobody():
    """The overflow uid, where it is just a user."""
    tree = Tree("pidfs inode")
    judge(f"{USER}, inside", tree, tree.ask(tree.socket, tree.token))
    judge(f"{USER}, outside", tree, Peer().ask(tree.socket, tree.token))
    tree.end()


what, *rest = sys.argv[1:]
if what == "pids":
    pids(*rest)
elif what == "users":
    users(*rest)
elif what == "enter":
    enter(*rest)
elif what == "proc":
    foreign_proc(rest[0])
elif what == "nobody":
    nobody()
else:
    fallback()
