"""T5: a token that belongs to the first process that uses it. Arguments: the tier, and `recycle` in a pid namespace of our
own."""

import collections
import sys

from arena import SENTINEL, Peer, Tree, child_with_pid, report

tier, recycle = sys.argv[1], "recycle" in sys.argv
COUNT = 24
stranger = Peer()

# A race, which an outsider starts too early.
tree = Tree(tier, ["--bind", "process"])
path, token = tree.socket, tree.token
report("an outsider before the first use", tree.verdict(stranger.ask(path, token)))
answers = tree.race(path, token, COUNT)
outcomes = collections.Counter((first, again) for _, first, again in answers)
report("of 24 at once, served both times", outcomes.pop(("HTTP/1.1 200", "HTTP/1.1 200"), 0))
report("of 24 at once, refused both times", outcomes.pop(("HTTP/1.1 403", "HTTP/1.1 403"), 0))
report("anything else", len(outcomes))
report("the winners' parent, when it has ended", tree.verdict(tree.ask(path, token)))
if recycle:
    [winner] = [pid for pid, first, _ in answers if first == "HTTP/1.1 200"]
    child_with_pid(tree, winner)
    report("a process of the tree with its pid", tree.verdict(tree.through_child(winner, "ask", path, token)))
report("tokens' binding", {line.get("binding") for line in tree.decisions() if "peer" in line})
tree.end()

# The helper: who ran it is the one, directly and through a shell that stays, in either order.
direct, shell = [SENTINEL, "credentials"], ["sh", "-c", f"trap : USR1; {SENTINEL} credentials"]


def judge(case, result):
    code, output, errors = result
    served = code == 0 and "SecretAccessKey" in output
    refused = code == 1 and output == "" and "refused this process" in errors
    report(case, "served" if served else "refused" if refused else result)


for name, other, first, then in [("directly", "shell", direct, shell), ("shell", "directly", shell, direct)]:
    tree = Tree(tier, ["--bind", "process"])
    judge(f"helper, {name}", tree.run(first))
    judge(f"helper, {name}, again", tree.run(first))
    judge(f"helper, then {other}", tree.run(then))
    child = tree.wait_as_child()
    judge("helper of another process, directly", tree.through_child(child, "run", direct))
    judge("helper of another process, shell", tree.through_child(child, "run", shell))
    judge("helper of the first, after that", tree.run(direct))
    report("the first without a helper", tree.verdict(tree.ask(tree.socket, tree.token)))
    tree.end()
