"""T4: a token, a socket and a descriptor in the wrong hands. Arguments: the tier, and `recycle` in a pid namespace of
our own."""

import sys

from arena import Peer, Tree, child_with_pid, hand_over, report
from peer import question

tier, recycle = sys.argv[1], "recycle" in sys.argv
tree, other, stranger = Tree(tier), Tree(tier), Peer()
path, token = tree.socket, tree.token
whole = question(token)
first, second = whole[:40], whole[40:]


def judge(case, answer):
    report(case, tree.verdict(answer))


judge("inside", tree.ask(path, token))
judge("inside, a daemon", tree.ask_as_daemon(path, token))
judge("outside", stranger.ask(path, token))
judge("outside, a daemon", stranger.ask_as_daemon(path, token))
judge("inside another tree", other.ask(path, token))

tree.connect("out", path)
hand_over(tree, stranger, "out")
stranger.send("out", whole)
judge("connected inside, written outside", stranger.answer("out"))

tree.connect("kept", path)
tree.send("kept", whole)
judge("connected and written inside", tree.answer("kept"))
hand_over(tree, stranger, "kept")
stranger.send("kept", whole)
judge("the same connection, written outside later", stranger.answer("kept"))

stranger.connect("in", path)
hand_over(stranger, tree, "in")
tree.send("in", whole)
judge("connected outside, written inside", stranger.answer("in"))

tree.connect("half", path)
tree.send("half", first)
hand_over(tree, stranger, "half")
stranger.send("half", second)
judge("the second half written outside", stranger.answer("half"))

tree.connect("half", path)
hand_over(tree, stranger, "half")
stranger.send("half", first)
tree.send("half", second)
judge("the first half written outside", stranger.answer("half"))

tree.connect("fork", path)
child = tree.wait_as_child()
tree.through_child(child, "send", "fork", whole)
judge("connected inside, written by a child", tree.answer("fork"))
tree.end_child(child)

tree.stop()
tree.leave("dead", path, whole)
tree.go_on()
judge("connected and written by one that has ended", tree.answer("dead"))

if recycle:
    # A thief leaves a request in the queue and ends; a process of the tree gets its pid before anybody looks.
    tree.stop()
    thief = stranger.leave("queued", path, whole)
    child_with_pid(tree, thief)
    tree.go_on()
    judge("a thief's pid is a process of the tree", stranger.answer("queued"))
    judge("the process that has the thief's pid", tree.ask(path, token))

    # The same in a hurry, whoever comes first.
    verdicts = set()
    for _ in range(30):
        thief = stranger.leave("hurried", path, whole)
        child_with_pid(tree, thief)
        verdicts.add(tree.verdict(stranger.answer("hurried")))
        tree.end_child(thief)
    report("30 times in a hurry", " ".join(sorted(verdicts)))

    # A process of the tree is served and ends; a thief gets its pid and its connection.
    served, answer = tree.leave_served("alive", path, token)
    judge("served while it lived", answer)
    hand_over(tree, stranger, "alive")
    child_with_pid(stranger, served)
    stranger.through_child(served, "send", "alive", whole)
    judge("a thief with the pid and the connection of a process of the tree", stranger.answer("alive"))

for peer in [tree, other]:
    if peer.end() != 0:
        raise SystemExit(peer.said())
