"""T4 over TCP: a token, a port and a connection in the wrong hands. Arguments: the tier, the option of exec that
asks for a port, and `recycle` in a pid namespace of our own."""

import sys

from arena import Child, Peer, Tree, child_with_pid, hand_over, report
from peer import question

tier, transport, recycle = sys.argv[1], sys.argv[2], "recycle" in sys.argv
tree, other, stranger = Tree(tier, transport=transport), Tree(tier, transport=transport), Peer()
path, token = tree.socket, tree.token
mapped = path.replace("127.0.0.1", "mapped")
whole = question(token, path)
NUMBER = 50  # of a descriptor: free in every peer


def judge(case, answer):
    report(case, tree.verdict(answer))


judge("inside", tree.ask(path, token))
judge("inside, a child", tree.ask_as_child(path, token))
judge("inside, a grandchild", tree.ask_as_grandchild(path, token))
judge("inside, a daemon", tree.ask_as_daemon(path, token))
judge("inside, an orphan below a subreaper", tree.ask_as_orphan(path, token))
judge("inside, through an IPv6 socket", tree.ask(mapped, token))
judge("outside", stranger.ask(path, token))
judge("outside, a child", stranger.ask_as_child(path, token))
judge("outside, a daemon", stranger.ask_as_daemon(path, token))
judge("outside, an orphan below a subreaper", stranger.ask_as_orphan(path, token))
judge("outside, through an IPv6 socket", stranger.ask(mapped, token))
judge("inside another tree", other.ask(path, token))

tree.connect("out", path)
hand_over(tree, stranger, "out")
tree.close("out")
stranger.send("out", whole)
judge("passed out before it was used", stranger.answer("out"))

tree.stop()
tree.connect("early", path)
tree.send("early", whole)
hand_over(tree, stranger, "early")
tree.close("early")
tree.go_on()
judge("passed out while nobody looked", stranger.answer("early"))

tree.connect("half", path)
tree.send("half", whole[:40])
hand_over(tree, stranger, "half")
tree.close("half")
stranger.send("half", whole[40:])
judge("passed out in the middle of a request", stranger.answer("half"))

tree.connect("kept", path)
tree.send("kept", whole)
judge("the first request of a connection", tree.answer("kept"))
number = tree.number("kept")
hand_over(tree, stranger, "kept")
tree.close("kept")
# Another connection takes the number of the descriptor that is gone.
tree.connect("instead", path)
tree.renumber("instead", number)
stranger.send("kept", whole)
judge("passed out after it", stranger.answer("kept"))
tree.send("instead", whole)
judge("the connection with its number", tree.answer("instead"))

tree.connect("moved", path)
tree.send("moved", whole)
judge("before its descriptor got another number", tree.answer("moved"))
tree.renumber("moved", NUMBER)
tree.send("moved", whole)
judge("and after that", tree.answer("moved"))
tree.close("moved")

tree.stop()
tree.connect("shared", path)
heir = Child(tree, tree.wait_as_child())
tree.go_on()
tree.send("shared", whole)
judge("who has a child with the same connection", tree.answer("shared"))
heir.end()
tree.send("shared", whole)
judge("after that child's end", tree.answer("shared"))

first, second = tree.ask_as_heir(path, token, None)
judge("a child", first)
judge("its connection, used by what it left behind", second)
judge("left behind before anybody looked, inside", tree.ask_as_heir(path, token, tree.process.pid)[1])
judge("left behind before anybody looked, outside", stranger.ask_as_heir(path, token, tree.process.pid)[1])

# One port, two sockets.
tree.connect_from("port", path, 0)
tree.send("port", whole)
judge("served on a port", tree.answer("port"))
port = tree.port("port")
tree.reset("port")


def ask_from_port(who):
    who.connect_from("port", path, port)
    who.send("port", whole)


def ask_behind(first, who):
    """What is answered from a port that another one, who is in the queue before, has let go of."""
    tree.stop()
    ask_from_port(first)
    first.reset("port")
    ask_from_port(who)
    tree.go_on()
    answer = who.answer("port")
    who.reset("port")
    return answer


ask_from_port(stranger)
judge("outside, from the same port", stranger.answer("port"))
stranger.reset("port")
judge("inside, from the port of a thief in the queue", ask_behind(stranger, tree))
judge("outside, from the port of one in the queue", ask_behind(tree, stranger))

# Two sockets with the same addresses: the thief's, which is bound to a device, and one of the tree, which only asks to be
# connected. By their addresses alone the kernel names the second.
before = len(tree.decisions())
tree.stop()
port = stranger.connect_beside("beside", path)
stranger.send("beside", whole)
stranger.keep_alive("beside")
report("one of the tree waits for a connection with a thief's addresses", tree.begin_to_connect("late", path, port))
tree.go_on()
judge("another of the tree, behind the thief", tree.ask(path, token))
tree.reset("late")
judge("the thief", stranger.answer("beside"))
report("decisions of these", [line["effect"] for line in tree.decisions()[before:]])

if recycle:
    # A process of the tree is served and ends; a thief gets its pid, its connection and the number of its descriptor.
    victim = Child(tree, tree.wait_as_child())
    victim.connect("alive", path)
    victim.renumber("alive", NUMBER)
    victim.send("alive", whole)
    judge("served while it lived", victim.answer("alive"))
    hand_over(victim, stranger, "alive")
    stranger.renumber("alive", NUMBER)
    victim.end()
    child_with_pid(stranger, victim.number)
    thief = Child(stranger, victim.number)
    thief.send("alive", whole)
    judge("a thief with its pid, its connection and its descriptor's number", thief.answer("alive"))
    thief.end()

for peer in [tree, other]:
    if peer.end() != 0:
        raise SystemExit(peer.said())
