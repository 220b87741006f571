# A flood of slow clients, behind tests/wire/client.py: argv is PROCESSES CONNECTIONS.
# The first process sends nothing, the second half a head, the third a byte in each round, and so on.
# Every connection that is closed is opened again at once, until standard input ends. Then it says how many it opened.
# It says when all are open, and when a quarter has been opened again.
import resource

PROCESSES, CONNECTIONS = int(sys.argv[1]), int(sys.argv[2])
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
STARTS = [b"", ask(b"x")[:-20], b"G"]
DRIP = ask(b"x" * 4000)[1:]


def flood(wanted, start, ready, stop):
    poll = select.epoll()
    poll.register(stop, select.EPOLLIN)
    open_ones, opened, steps = {}, 0, [wanted, wanted + wanted // 4]
    while True:
        for _ in range(wanted - len(open_ones)):
            s = socket.socket(FAMILY)
            s.setblocking(False)
            # TCP goes on connecting. A Unix socket whose queue is full does not: again in the next round.
            if s.connect_ex(ADDRESS) not in (0, errno.EINPROGRESS):
                s.close()
                break
            open_ones[s.fileno()] = [s, None]
            poll.register(s, select.EPOLLIN | select.EPOLLOUT)
            opened += 1
        if steps and opened >= steps[0]:
            steps.pop(0)
            os.write(ready, b"r")
        if start == b"G":
            for entry in open_ones.values():
                if entry[1] is None:
                    continue
                try:
                    entry[0].send(DRIP[entry[1] : entry[1] + 1])
                    entry[1] += 1
                except (BlockingIOError, ConnectionError):
                    pass
        for fd, event in poll.poll(0.002):
            if fd == stop:
                return opened
            if event == select.EPOLLOUT:
                s = open_ones[fd][0]
                open_ones[fd][1] = 0
                poll.modify(s, select.EPOLLIN)
                if start:
                    try_send(s, start)
                continue
            poll.unregister(fd)
            open_ones.pop(fd)[0].close()


ready_in, ready_out = os.pipe()
stop_in, stop_out = os.pipe()
counts_in, counts_out = os.pipe()
for number in range(PROCESSES):
    if os.fork() == 0:
        os.close(stop_out)
        # The attack is on sentinel's connections. The CPUs of whoever runs the tests are not its target.
        os.nice(19)
        count = flood(CONNECTIONS // PROCESSES, STARTS[number % 3], ready_out, stop_in)
        os.write(counts_out, count.to_bytes(8, "big"))
        os._exit(0)
for step in ["flooding", "reopened"]:
    left = PROCESSES
    while left:
        left -= len(os.read(ready_in, left))
    say(step)
sys.stdin.read()
os.close(stop_out)
for _ in range(PROCESSES):
    os.wait()
say(sum(int.from_bytes(os.read(counts_in, 8), "big") for _ in range(PROCESSES)))
