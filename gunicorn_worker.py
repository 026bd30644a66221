"""gunicorn's worker, hardened against slow clients: they cost a connection, never a thread for long.

gunicorn's own gives every new connection to a thread, reads and writes without a limit of time, and waits for clients
while it closes connections. Here the main loop collects the head of each request and a small body, sends on what a
client does not take at once of its answer, cuts off who is slower than the limits, and reads what still comes after an
answer, so that who is refused in the middle of an upload gets to see why. A thread waits only for a large body, and
app/places.py keeps these below the number of threads.
"""

import contextlib
import errno
import json
import os
import re
import socket
import sys
import time
import traceback
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from selectors import EVENT_READ, EVENT_WRITE
from typing import NoReturn

from gunicorn.arbiter import Arbiter
from gunicorn.http.body import ChunkedReader
from gunicorn.http.errors import InvalidResponseHeader, InvalidResponseHeaderName, ParseException
from gunicorn.http.message import Request
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import TConn, ThreadWorker

HEAD_S = 10  # for the request line and all headers
HEAD_END = b"\r\n\r\n"
HEAD_BYTES = 65_536  # who sends so much without an end is cut off; a browser's are a few kilobytes
SMALL_BODY_BYTES = 100_000  # a body up to this is collected before a thread is given; not below places.SMALL_BYTES
BODY_S = 20  # for a body; of a larger one a second more for every
BODY_BYTES_PER_S = 50_000  # that came, whatever length was announced; 0.4 Mbit/s: a photo of 5 MB gets two minutes
ANSWER_S = 60  # for taking the answer
REST_S = 10  # for the rest of a body that was answered before it was read
WAITING_BYTES = 100_000_000  # of requests that are not whole and of answers that were not taken, in memory
PAUSE_S = 1  # before the next connection is accepted where no file can be opened

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*0*(\d{1,9})[ \t]*\r\n", re.IGNORECASE)
_EXPECTS = re.compile(rb"\r\nexpect:", re.IGNORECASE)
_NO_MORE_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


def refuse_to_start(error: Exception) -> NoReturn:
    """Say why and end for good: on any other status of a worker gunicorn would start the next one, for ever.

    The log is perhaps not set up yet, so the line is written here, in the form that the log would have.
    """
    message = f"The site does not start: {error}. See docs/operate/troubleshooting.md."
    if os.environ.get("LOG_FORMAT") == "json":
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        message = json.dumps({"time": now, "level": "CRITICAL", "logger": __name__, "message": message})
    print(message, file=sys.stderr)
    sys.exit(Arbiter.WORKER_BOOT_ERROR)


class HardenedRequest(Request):
    """A request whose connection is closed, and said to be, unless its body was read: the next one is behind it."""

    def is_read(self) -> bool:
        """Whether the body was read to its end."""
        reader = self.body.reader
        ended = reader.parser is None if isinstance(reader, ChunkedReader) else reader.length == 0
        return ended and not self.body.failed

    def should_close(self) -> bool:
        """What the answer's header `Connection` says, and what is done."""
        return super().should_close() or not self.is_read()


class CountingUnreader(SocketUnreader):
    """What gunicorn reads a connection with, and how many bytes of the current body came through it."""

    received = 0

    def chunk(self, size_hint=None):
        """Read once from the socket; called by the connection's thread alone."""
        data = super().chunk(size_hint)
        self.received += len(data)
        return data


class AnsweringSocket(socket.socket):
    """A connection's socket that keeps what the client does not take at once, so that no thread waits for it."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.untaken = bytearray()

    def send_on(self):
        """Send as much as the client takes now."""
        with contextlib.suppress(BlockingIOError):
            while self.untaken:
                del self.untaken[: super().send(self.untaken, socket.MSG_DONTWAIT)]

    def sendall(self, data, flags=0):
        """Send or keep all of it."""
        self.untaken += data
        self.send_on()

    def send(self, data, flags=0):
        """Send or keep all of it."""
        self.sendall(data)
        return len(data)

    def sendfile(self, file, offset=0, count=None):
        """Send or keep all of it; the site's files are small."""
        file.seek(offset)
        self.sendall(file.read(count))


class Connection(TConn):
    """A connection that may have to wait for the rest of a request or for its answer to be taken, without a thread."""

    def __init__(self, cfg, client, *args):
        super().__init__(cfg, AnsweringSocket(fileno=client.detach()), *args)
        self.begun = bytearray()  # what came of a request that is not whole
        self.size = None  # how much of it a thread needs to begin; known once the head is whole

    def init(self):
        """Make the parser, on the first request, let it count what comes, and make our requests."""
        if not self.initialized:
            super().init()
            self.parser.unreader = CountingUnreader(self.sock)
            self.parser.mesg_class = HardenedRequest

    def kept_bytes(self) -> int:
        """How much memory its waiting takes."""
        return len(self.begun) + len(self.sock.untaken)


@dataclass(frozen=True)
class _Deadline:
    """When a thread must be done with reading, monotonic seconds; for a body, when nothing of it comes."""

    at: float
    request: HardenedRequest | None = None  # whose body is read; nothing when a head is waited for

    def is_over(self) -> bool:
        if self.request is None:
            return time.monotonic() > self.at
        earned_s = self.request.unreader.received / BODY_BYTES_PER_S
        # Once it is read, it is the model that is waited for, which has its own deadline.
        return time.monotonic() > self.at + earned_s and not self.request.is_read()


def _bytes_to_begin(begun: bytearray) -> int:
    """How much of a request must be here before a thread is given: the head, and the body if it is a small one.

    A client that waits for `100 Continue` sends no body before a thread asks for it; app/places.py counts these.
    """
    head = begun[: begun.index(HEAD_END) + len(HEAD_END)]
    length = _LENGTH.search(head)
    if length is None or int(length[1]) > SMALL_BODY_BYTES or _EXPECTS.search(head):
        return len(head)
    return len(head) + int(length[1])


def _answer(status: str, text: str) -> bytes:
    from app.security import HEADERS  # here, since the site must not be loaded before the worker is forked

    headers = {
        "Connection": "close",
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": str(len(text.encode())),
        "Cache-Control": "no-store",
        **HEADERS,
    }
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + HEAD_END + text.encode()


class HardenedWorker(ThreadWorker):
    """`ThreadWorker` in which a client that sends or takes a byte now and then is cut off."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        # Half of all: so some of the others wait for something when all are taken, and one of them can be cut off.
        self.max_keepalived = self.worker_connections // 2
        self._deadlines: dict[Connection, _Deadline] = {}
        self._no_more_files_until = 0.0  # monotonic seconds

    def set_accept_enabled(self, enabled):
        """Accept connections or not; gunicorn's main loop calls this at least every second, and when it stops.

        Then the port is closed: the system would go on taking connections that nobody answers, and a proxy would wait
        for them. The main process has closed its own before it told us.
        """
        super().set_accept_enabled(enabled and time.monotonic() >= self._no_more_files_until)
        if not enabled and not self.alive:
            for listener in self.sockets:
                listener.close()

    def accept(self, listener):
        """Accept a connection and wait for its first request without a thread."""
        try:
            client, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            if error.errno not in _NO_MORE_FILES:
                raise
            self.log.warning("No connection can be accepted: %s. See docs/operate/troubleshooting.md.", error.strerror)
            self._no_more_files_until = time.monotonic() + PAUSE_S
            self.set_accept_enabled(False)
            return
        self.nr_conns += 1
        self._await_request(Connection(self.cfg, client, address, listener.getsockname()))

    def on_client_socket_readable(self, conn, client):
        """Wait in the same way for the next request on a connection that was kept alive."""
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        self._await_request(conn)

    def _await(self, conn, event, seconds, react):
        """Call `react(conn)` when the client can be read or written, until `_done_waiting`, or cut it off."""
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + seconds
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, event, lambda _client: react(conn))

    def _read(self, conn) -> bytes | None:
        """What came; nothing at the end, None where it was a false alarm."""
        try:
            return conn.sock.recv(HEAD_BYTES)
        except BlockingIOError:
            return None
        except OSError:  # the client reset the connection
            return b""

    def _done_waiting(self, conn):
        self.poller.unregister(conn.sock)
        self.pending_conns.remove(conn)

    def _close(self, conn):
        self.nr_conns -= 1
        conn.close()

    def _cut_off(self, conn):
        self._done_waiting(conn)
        self._close(conn)

    def _await_request(self, conn, begun=b""):
        conn.begun[:], conn.size = begun, None
        self._await(conn, EVENT_READ, HEAD_S, self._read_request)
        self._serve_once_whole(conn)

    def _read_request(self, conn):
        data = self._read(conn)
        conn.begun += data or b""
        waits = self._serve_once_whole(conn)
        if waits and (data == b"" or (conn.size is None and len(conn.begun) >= HEAD_BYTES)):
            self._cut_off(conn)  # never to a thread, which would wait for the rest

    def _serve_once_whole(self, conn) -> bool:
        """Give a request to a thread if it need not wait for it; whether it must wait."""
        if conn.size is None and HEAD_END in conn.begun:
            conn.size = _bytes_to_begin(conn.begun)
            conn.timeout = time.monotonic() + BODY_S
        if conn.size is None or len(conn.begun) < conn.size:
            return True
        self._done_waiting(conn)
        conn.init()
        conn.parser.unreader.unread(bytes(conn.begun))
        conn.begun.clear()
        self.enqueue_req(conn)
        return False

    def handle(self, conn):
        """Serve a request, in a thread."""
        self._deadlines[conn] = _Deadline(time.monotonic() + HEAD_S)
        return super().handle(conn)

    def handle_request(self, req, conn):
        """Let the site answer, while the body must come at a pace; say whether the connection can go on."""
        req.unreader.received = 0
        self._deadlines[conn] = _Deadline(time.monotonic() + BODY_S, req)
        return super().handle_request(req, conn)

    def handle_error(self, req, client, addr, exc):
        """Answer where the site cannot; gunicorn's page and line of the log quote the request, and lack our headers."""
        ours = not isinstance(exc, ParseException) or isinstance(exc, InvalidResponseHeader | InvalidResponseHeaderName)
        if ours:  # the place, never the message, as in app/problems.py
            frames = "".join(traceback.format_tb(exc.__traceback__))
            self.log.error("A request failed outside the site with %s:\n%s", type(exc).__qualname__, frames)
            answer = _answer("500 Internal Server Error", "The site made a mistake.\n")
        else:
            self.log.warning("What a client sent cannot be read as a request, and was refused.")
            answer = _answer("400 Bad Request", "This request cannot be understood.\n")
        with contextlib.suppress(OSError):  # the client is gone
            client.sendall(answer)

    def finish_request(self, conn, fs):
        """Go on with a connection once its answer was taken."""
        self._deadlines.pop(conn, None)
        if conn.sock.untaken and conn.sock.fileno() >= 0:
            self._await(conn, EVENT_WRITE, ANSWER_S, partial(self._send_on, fs))
        else:
            self._go_on(conn, fs)

    def _send_on(self, fs, conn):
        try:
            conn.sock.send_on()
        except OSError:  # the client is gone
            self._cut_off(conn)
        else:
            if not conn.sock.untaken:
                self._done_waiting(conn)
                self._go_on(conn, fs)

    def _go_on(self, conn, fs):
        """Close the connection, or keep it for the next request, whose beginning may have come already."""
        failed = fs.cancelled() or fs.exception() is not None
        if not failed and not fs.result():
            self._await_the_rest(conn)
        elif not failed and (begun := conn.parser.unreader.take_buffered()):
            self._await_request(conn, begun)  # gunicorn would let a thread wait for what is missing
        else:
            super().finish_request(conn, fs)

    def _await_the_rest(self, conn):
        """Say that nothing more comes, and read until the client says so too: RFC 9112, section 9.6.

        A client that is cut off while it still sends often shows that, and not the answer.
        """
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:  # the client is gone
            self._close(conn)
        else:
            self._await(conn, EVENT_READ, REST_S, self._forget)

    def _forget(self, conn):
        if self._read(conn) == b"":
            self._cut_off(conn)

    def murder_pending(self):
        """Cut off who is too slow, and whom there is no room for; gunicorn's main loop calls this every second."""
        now = time.monotonic()
        for conn in [conn for conn in self.pending_conns if conn.timeout < now]:
            self._cut_off(conn)
        while self.pending_conns and self.nr_conns >= self.worker_connections:
            self._cut_off(self.pending_conns[0])  # who waits longest: most likely one of those that never end
        while sum(conn.kept_bytes() for conn in self.pending_conns) > WAITING_BYTES:
            self._cut_off(max(self.pending_conns, key=Connection.kept_bytes))
        for conn, deadline in self._deadlines.copy().items():  # threads change it meanwhile
            if deadline.is_over():
                del self._deadlines[conn]
                with contextlib.suppress(OSError):  # closed by now
                    conn.sock.shutdown(socket.SHUT_RDWR)  # its thread wakes up and finds the client gone
