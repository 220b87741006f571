"""T26: callers that cannot be identified. Arguments: the tier; what to do; and for `hidepid` the transport."""

import resource
import subprocess
import sys

from arena import ROOT, Peer, Tree, report, start
from peer import question

tier = sys.argv[1]
GONE, LINKS = 16, 40
# As many as there may be, and past the number that is looked through where a socket has to be found among them.
DESCRIPTORS, LOOKED_THROUGH = 66_000, 65_536


def judge(case, tree, answer):
    report(case, tree.verdict(answer))


def attack():
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 70_000))
    except ValueError:
        pass  # Even root may be without the right to raise it.
    tree, stranger = Tree(tier), Peer()
    path, token = tree.socket, tree.token
    judge("not dumpable, outside", tree, stranger.ask_undumpable(path, token))
    judge("not dumpable, inside", tree, tree.ask_undumpable(path, token))
    judge("the next one", tree, tree.ask(path, token))

    # Many that have ended before they are looked at, their connections held by others.
    tree.stop()
    for number in range(GONE):
        stranger.leave(f"gone-{number}", path, question(token))
        tree.leave(f"gone-{number}", path, question(token))
    tree.go_on()
    for who, name in [(stranger, "outside"), (tree, "inside")]:
        verdicts = {tree.verdict(who.answer(f"gone-{number}")) for number in range(GONE)}
        report(f"ended, {name}", " ".join(sorted(verdicts)))

    for who, name, possible in [(stranger, "outside", ["403"]), (tree, "inside", ["200", "403"])]:
        count, answers = who.ask_in_a_storm(path, token, LINKS)
        rest = [answer for answer in answers if answer.removeprefix("HTTP/1.1 ") not in possible]
        report(f"a storm, {name}", f"{count} answered, {rest}")
    report("a storm, inside, served", "HTTP/1.1 200" in answers)

    count = min(DESCRIPTORS, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 100)
    too_many = count > LOOKED_THROUGH and tier.startswith(("pidfd", "proc"))
    judge("many descriptors, outside", tree, stranger.ask_with_descriptors(path, token, count))
    verdict = tree.verdict(tree.ask_with_descriptors(path, token, count))
    report("many descriptors, inside", "as it must be" if verdict == ("refused" if too_many else "served") else verdict)
    judge("the one after that", tree, tree.ask(path, token))
    tree.end()

    # What is for kernels that cannot name processes changes nothing on one that can.
    tree = Tree(tier, ["--allow-fallback"])
    judge("--allow-fallback, outside", tree, stranger.ask(tree.socket, tree.token))
    judge("--allow-fallback, inside", tree, tree.ask(tree.socket, tree.token))
    report("--allow-fallback, bindings", sorted({line.get("binding", "none") for line in tree.decisions()}))
    tree.end()


def fallback():
    """A kernel that cannot name processes."""
    code, output, errors = start(tier)
    print(code, repr(output))
    print(errors, end="")
    tree, stranger = Tree(tier, ["--allow-fallback"]), Peer()
    judge("inside", tree, tree.ask(tree.socket, tree.token))
    judge("outside", tree, stranger.ask(tree.socket, tree.token))
    judge("outside, another token", tree, stranger.ask(tree.socket, "y" * 43))
    report("bindings", sorted({line.get("binding", "none") for line in tree.decisions()}))
    if ROOT:
        judge("root, who may open every socket", tree, Peer(user=None).ask(tree.socket, tree.token))
    tree.end()


def hidepid():
    """A /proc that hides other processes from all but root."""
    subprocess.run(["mount", "-t", "proc", "-o", "hidepid=2", "proc", "/proc"], check=True)
    transport = sys.argv[3]
    code, output, errors = start(tier, options=[transport])
    if code != 0:
        print(code, repr(output), errors.splitlines()[0])
        return
    tree, stranger = Tree(tier, transport=transport), Peer()
    judge("outside", tree, stranger.ask(tree.socket, tree.token))
    judge("inside", tree, tree.ask(tree.socket, tree.token))
    judge("inside, a daemon", tree, tree.ask_as_daemon(tree.socket, tree.token))
    judge("not dumpable, outside", tree, stranger.ask_undumpable(tree.socket, tree.token))
    judge("not dumpable, inside", tree, tree.ask_undumpable(tree.socket, tree.token))
    tree.end()


{"attack": attack, "fallback": fallback, "hidepid": hidepid}[sys.argv[2]]()
