"""T4: who connected as one user is served as no other. As root, with a home that is root's. Argument: the tier."""

import sys

from arena import Tree, report

tree = Tree(sys.argv[1], user=None)
report("root", tree.verdict(tree.ask(tree.socket, tree.token)))
answer = tree.ask_after_setuid(tree.socket, tree.token, 65534)
report("connected as root, written as nobody", tree.verdict(answer))
if tree.end() != 0:
    raise SystemExit(tree.said())
