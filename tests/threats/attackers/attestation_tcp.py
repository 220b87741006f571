"""T26 over TCP: callers that cannot be identified. Arguments: the tier; and what to do."""

import sys

from arena import ROOT, Peer, Tree, report, start
from peer import question

tier = sys.argv[1]
ORPHANS, WORKERS, QUESTIONS = 16, 8, 20
JOBS, AT_ONCE = 200, 32


def judge(case, tree, answer):
    report(case, tree.verdict(answer))


def judge_all(case, tree, answers):
    report(case, " ".join(sorted({tree.verdict(answer) for answer in answers})))


def attack():
    tree, stranger = Tree(tier, transport="--server"), Peer()
    path, token = tree.socket, tree.token
    judge("not dumpable, outside", tree, stranger.ask_undumpable(path, token))
    judge("not dumpable, inside", tree, tree.ask_undumpable(path, token))
    report("said why", "it is not dumpable or runs as another user" in tree.said())
    judge("the next one", tree, tree.ask(path, token))
    judge("a thread's own descriptors, inside", tree, tree.ask_with_own_descriptors(path, token))

    workers = tree.storm(WORKERS)
    judge_all("a storm, outside", tree, stranger.ask_often(path, token, QUESTIONS))
    judge_all("a storm, inside", tree, tree.ask_often(path, token, QUESTIONS))
    tree.calm(workers)
    for who, name in [(stranger, "outside"), (tree, "inside")]:
        count, answers = who.ask_in_a_build(path, token, JOBS, AT_ONCE)
        judge_all(f"a build, {name}, {count} questions", tree, answers)

    if ROOT:
        other = Peer(user=None)
        judge("root", tree, other.ask(path, token))
        other.become(1)
        judge("another uid", tree, other.ask(path, token))
    tree.end()


def orphans():
    """As root: a socket whose owner has ended may report uid 0, whoever it was; it is nobody's, and dropped without a word."""
    tree, stranger = Tree(tier, user=None, transport="--server"), Peer(user=None)
    stranger.become(65534)
    path, token = tree.socket, tree.token
    judge("nobody, who is alive", tree, stranger.ask(path, token))
    before = len(tree.decisions())
    tree.stop()
    for number in range(ORPHANS):
        stranger.connect(f"orphan-{number}", path)
        stranger.send(f"orphan-{number}", question(token, path))
        stranger.close(f"orphan-{number}")
    tree.go_on()
    judge("behind them, inside", tree, tree.ask(path, token))
    # Its end is behind all that was decided for the orphans.
    tree.end()
    report("decisions", [line["effect"] for line in tree.decisions()[before:]])
    said = {line for line in tree.said().splitlines() if "peers are named" not in line and "unknown" not in line}
    report("said", sorted(said))


def refuse():
    """A kernel that does not name TCP sockets."""
    for options in (["--server"], ["--server", "--allow-fallback"]):
        code, output, errors = start(tier, options=options)
        print(code, repr(output))
        print(errors, end="")


{"attack": attack, "orphans": orphans, "refuse": refuse}[sys.argv[2]]()
