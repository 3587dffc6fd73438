#!/usr/bin/env python3
"""How fast a backup and a restore are over S3: on a long line, and beside rclone and restic.

    benches/s3.py --rozenctl target/release/rozenctl --endpoint http://127.0.0.1:9000 [--mib 512]
        [--long-line] [--rclone rclone] [--restic restic] [--work DIR]

The server must be there (any S3; its keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY); buckets are made with curl. The
content is random: nothing compresses, so payload is what goes over the line. All that is measured stands in one table, of
one run: wall time, payload rate, time of processors and peak resident memory of the program.

--long-line puts a proxy before the server that behaves like a line with a round trip of --rtt milliseconds and --rate MB/s in
each direction, shared by all connections: bytes leave when those before them have left and arrive half a round trip later;
what is under way is not bounded, so a sender is never stopped by the delay itself, but by its own waiting for answers. What
the line carries is measured with one plain connection. No rights and no kernel module are needed, unlike with `tc netem`.

`benches/s3.py line --listen PORT --to HOST:PORT` is the line alone.
"""

import argparse
import asyncio
import hashlib
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from urllib.parse import urlsplit

MIB = 1 << 20
PIECE = 64 << 10
# what waits at the entrance of the line, in seconds of its rate: the buffer of a good router
BACKLOG = 0.02
FILE_MIB = 8


class Direction:
    """One direction of the line, shared by all connections."""

    def __init__(self, rate, delay):
        self.rate, self.delay, self.free = rate, delay, 0.0

    def arrival(self, size, now):
        self.free = max(self.free, now) + size / self.rate
        return self.free + self.delay

    def backlog(self, now):
        return max(0.0, self.free - now)


async def pump(reader, writer, direction, handshake):
    """Bytes of one connection, one way. `handshake`: seconds that its first bytes wait for the connection to be made."""
    loop, under_way = asyncio.get_running_loop(), asyncio.Queue()

    async def deliver():
        while (item := await under_way.get()) is not None:
            at, data = item
            await asyncio.sleep(max(0.0, at - loop.time()))
            writer.write(data)
            await writer.drain()
        writer.write_eof()

    delivery = asyncio.create_task(deliver())
    ready = loop.time() + handshake
    try:
        while data := await reader.read(PIECE):
            under_way.put_nowait((max(direction.arrival(len(data), loop.time()), ready), data))
            while (wait := direction.backlog(loop.time()) - BACKLOG) > 0:
                await asyncio.sleep(wait)
    except ConnectionError:
        pass
    under_way.put_nowait(None)
    try:
        await delivery
    except (ConnectionError, OSError):
        pass


async def serve_line(listen, to, rate, rtt):
    up, down = Direction(rate, rtt / 2), Direction(rate, rtt / 2)
    host, port = to.rsplit(":", 1)
    # the loop itself holds tasks only weakly
    connections = set()

    async def connection(reader, writer):
        connections.add(asyncio.current_task())
        try:
            far_reader, far_writer = await asyncio.open_connection(host, int(port), limit=PIECE)
            await asyncio.gather(pump(reader, far_writer, up, rtt), pump(far_reader, writer, down, 0.0))
            far_writer.close()
        except OSError:
            pass
        writer.close()
        connections.discard(asyncio.current_task())

    server = await asyncio.start_server(connection, "127.0.0.1", listen, limit=PIECE)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def start_line(to, args):
    command = [sys.executable, __file__, "line", "--listen", "0", "--to", to, "--rate", args.rate, "--rtt", args.rtt]
    line = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True)
    return line, int(line.stdout.readline())


def carried(args, size):
    """Bytes a second of one plain connection through the line, from the first byte sent to the last one received."""
    sink = socket.create_server(("127.0.0.1", 0))
    line, port = start_line(f"127.0.0.1:{sink.getsockname()[1]}", args)

    def send():
        with socket.create_connection(("127.0.0.1", port)) as connection:
            piece = bytes(PIECE)
            for _ in range(size // PIECE):
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1)

    began = time.monotonic()
    sender = threading.Thread(target=send)
    sender.start()
    with sink.accept()[0] as connection:
        received = 0
        while piece := connection.recv(1 << 20):
            received += len(piece)
        took = time.monotonic() - began
    sender.join()
    line.kill()
    return received / took


def measured(command, env):
    """Runs it to its end: seconds, seconds of processors, and its peak resident memory in MiB."""
    with tempfile.TemporaryFile() as said:
        began = time.monotonic()
        child = subprocess.Popen(command, env=env, stdout=said, stderr=said)
        _, status, usage = os.wait4(child.pid, 0)
        took = time.monotonic() - began
        if status != 0:
            said.seek(0)
            sys.exit(f"{command}: status {status}\n{said.read().decode(errors='replace')}")
    return took, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def write_tree(root, mib):
    noise = random.Random(mib)
    for number in range(max(1, mib // FILE_MIB)):
        path = os.path.join(root, f"d{number % 8}")
        os.makedirs(path, exist_ok=True)
        with open(os.path.join(path, f"f{number}"), "wb") as file:
            file.write(noise.randbytes(FILE_MIB * MIB))


class Bench:
    def __init__(self, args, work):
        self.args, self.work, self.rows, self.buckets = args, work, [], 0
        self.root = os.path.join(work, "root")
        os.mkdir(self.root)
        write_tree(self.root, args.mib)
        self.payload = max(1, args.mib // FILE_MIB) * FILE_MIB * MIB
        self.env = dict(os.environ, HOME=os.path.join(work, "home"), XDG_RUNTIME_DIR=os.path.join(work, "run"))
        for name in ("home", "run"):
            os.mkdir(os.path.join(work, name), 0o700)

    def bucket(self, name):
        self.buckets += 1
        name = f"{name}-{os.getpid()}-{self.buckets}"
        keys = f"{os.environ['AWS_ACCESS_KEY_ID']}:{os.environ['AWS_SECRET_ACCESS_KEY']}"
        url = f"{self.args.endpoint}/{name}"
        sign = ["--aws-sigv4", f"aws:amz:{self.args.region}:s3", "--user", keys]
        subprocess.run(["curl", "-fsS", "-X", "PUT", "-H", f"x-amz-content-sha256: {hashlib.sha256().hexdigest()}", *sign, url], check=True, stdout=subprocess.DEVNULL)
        return name

    def note(self, what, command, env=None):
        took, processors, memory = measured(command, env or self.env)
        self.rows.append((what, took, self.payload / took / 1e6, processors, memory))
        print(f"{what}: {took:.1f} s, {self.payload / took / 1e6:.1f} MB/s", file=sys.stderr)
        return self.payload / took

    def assert_same(self, restored):
        subprocess.run(["diff", "-r", self.root, restored], check=True)
        shutil.rmtree(restored)

    def rozen(self, label, endpoint):
        place = os.path.join(self.work, label.replace(" ", "-"))
        os.mkdir(place)
        at = lambda name: os.path.join(place, name)
        url = f"s3://{self.bucket('rozen')}/backup?endpoint={endpoint}&region={self.args.region}"
        ctl = [self.args.rozenctl, "--config", at("rozen.toml"), "--state", at("state")]
        measured([*ctl, "init", "--repo", url, "--root", self.root, "--recovery-out", at("recovery.txt")], self.env)
        up = self.note(f"{label}: backup", [*ctl, "backup", "--once"])
        restore = ["restore", "latest", "--recovery", at("recovery.txt"), "--to", at("restored")]
        down = self.note(f"{label}: restore", [*ctl, *restore])
        self.assert_same(at("restored"))
        return up, down

    def rclone(self, program):
        remote = f"m:{self.bucket('rclone')}"
        settings = {"TYPE": "s3", "PROVIDER": "Other", "ENV_AUTH": "true", "ENDPOINT": self.args.endpoint,
                    "REGION": self.args.region}
        env = dict(self.env, **{f"RCLONE_CONFIG_M_{key}": value for key, value in settings.items()})
        to = os.path.join(self.work, "rclone")
        self.note("rclone: copy there", [program, "copy", self.root, remote], env)
        self.note("rclone: copy back", [program, "copy", remote, to], env)
        self.assert_same(to)

    def restic(self, program):
        repository = f"s3:{self.args.endpoint}/{self.bucket('restic')}"
        env = dict(self.env, RESTIC_REPOSITORY=repository, RESTIC_PASSWORD="x", RESTIC_CACHE_DIR=os.path.join(self.work, "cache"))
        to = os.path.join(self.work, "restic")
        measured([program, "init"], env)
        self.note("restic: backup", [program, "backup", self.root], env)
        self.note("restic: restore", [program, "restore", "latest", "--target", to], env)
        self.assert_same(to + self.root)


def run(args):
    if args.work:
        os.makedirs(args.work, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=args.work) as work:
        bench = Bench(args, work)
        if args.long_line:
            line_carries = carried(args, min(bench.payload, 256 * MIB))
            line, port = start_line(urlsplit(args.endpoint).netloc, args)
            up, down = bench.rozen("rozen on the line", f"http://127.0.0.1:{port}")
            line.kill()
        bench.rozen("rozen", args.endpoint)
        for name, program in (("rclone", args.rclone), ("restic", args.restic)):
            if program:
                getattr(bench, name)(program)
    print(f"| {bench.payload // MIB} MiB in files of {FILE_MIB} MiB | seconds | MB/s | processor seconds | peak MiB |\n|---|---|---|---|---|")
    for what, took, rate, processors, memory in bench.rows:
        print(f"| {what} | {took:.1f} | {rate:.1f} | {processors:.1f} | {memory:.0f} |")
    if args.long_line:
        share = {"backup": up / line_carries, "restore": down / line_carries}
        print(f"\nThe line ({args.rate} MB/s, {args.rtt} ms) carries {line_carries / 1e6:.1f} MB/s; "
              + ", ".join(f"{what} {part:.0%}" for what, part in share.items()))
        print(json.dumps({"line": line_carries, **share}), file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=20.0, help="of the line, in MB/s")
    parser.add_argument("--rtt", type=float, default=50.0, help="of the line, in milliseconds")
    if sys.argv[1:2] == ["line"]:
        parser.add_argument("line")
        parser.add_argument("--listen", type=int, default=0)
        parser.add_argument("--to", required=True)
        args = parser.parse_args()
        asyncio.run(serve_line(args.listen, args.to, args.rate * 1e6, args.rtt / 1000))
        return
    parser.add_argument("--rozenctl", default="target/release/rozenctl")
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--region", default=os.environ.get("AWS_REGION", "us-east-1"))
    parser.add_argument("--mib", type=int, default=512)
    parser.add_argument("--long-line", action="store_true")
    parser.add_argument("--rclone")
    parser.add_argument("--restic")
    parser.add_argument("--work", help="where the trees lie; on no disk at best")
    run(parser.parse_args())


if __name__ == "__main__":
    main()
