"""steal_path.py PROGRAM ARGUMENT...: stops the program where it is about to remove its first file, says so, and goes on when
told to. The file is the dead socket: its name cannot be read from the program's memory, which is closed even to its tracer.
"""

UNLINK, UNLINKAT = {"x86_64": (87, 263)}.get(os.uname().machine, (-1, 35))
paused = False


def look(pid):
    global paused
    call = call_of(pid)
    if not paused and call.kind == 1 and call.number in (UNLINK, UNLINKAT):
        paused = True
        print("paused", flush=True)
        sys.stdin.readline()


status = step(sys.argv[1:], look)
print("status", status, flush=True)
