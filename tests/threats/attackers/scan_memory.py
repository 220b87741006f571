"""Looks for strings in another process's memory.

    scan_memory.py PID    with lines of `NAME VALUE` on standard input

Prints `NAME FLAGS WHERE` for each mapping with a hit, FLAGS being smaps' VmFlags, and `bytes N` at the end.
"""

import re
import sys


def mappings(pid):
    found = None
    for line in open(f"/proc/{pid}/smaps"):
        head = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)", line)
        if head:
            start, end, mode, name = head.groups()
            found = int(start, 16), int(end, 16), mode, name.strip() or "anonymous"
        elif line.startswith("VmFlags:") and found:
            yield *found, line.split()[1:]


pid = sys.argv[1]
needles = [line.rstrip("\n").split(" ", 1) for line in sys.stdin]
total = 0
with open(f"/proc/{pid}/mem", "rb", 0) as memory:
    for start, end, mode, name, flags in mappings(pid):
        if "r" not in mode or name in ("[vvar]", "[vvar_vclock]", "[vsyscall]"):
            continue
        try:
            memory.seek(start)
            content = memory.read(end - start)
        except (OSError, OverflowError):
            continue
        total += len(content)
        for needle, value in needles:
            at = content.find(value.encode())
            if at >= 0:
                where = f"{name.replace(' ', '_')}:{mode}:{end - start}:{at}"
                print(needle, ",".join(flags), where)
print("bytes", total)
