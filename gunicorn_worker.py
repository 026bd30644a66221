"""gunicorn's worker, hardened against slow clients: they cost a connection, never a thread for long.

gunicorn's own gives every new connection to a thread, reads and writes without a limit of time, and waits for clients
while it closes connections. Here the main loop collects the head of each request, cuts off who is slower than the
limits, and reads what still comes after an answer, so that who is refused in the middle of an upload gets to see why.
"""

import contextlib
import socket
import threading
import time
from dataclasses import dataclass
from functools import partial
from selectors import EVENT_READ

from gunicorn.http.body import ChunkedReader
from gunicorn.http.message import Request
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import TConn, ThreadWorker

HEAD_S = 10  # for the request line and all headers
HEAD_END = b"\r\n\r\n"
HEAD_BYTES = 65_536  # who sends so much without an end is cut off; a browser's are a few kilobytes
BODY_S = 20  # for a body, and a second more for every
BODY_BYTES_PER_S = 50_000  # that came, whatever length was announced; 0.4 Mbit/s: a photo of 5 MB gets two minutes
ANSWER_S = 60  # for taking the answer
REST_S = 10  # for the rest of a body that was answered before it was read; not below HEAD_S: see `_await`


class CountingUnreader(SocketUnreader):
    """What gunicorn reads a connection with, and how many bytes of the current body came through it."""

    received = 0

    def chunk(self, size_hint=None):
        """Read once from the socket; called by the connection's thread alone."""
        data = super().chunk(size_hint)
        self.received += len(data)
        return data


class Connection(TConn):
    """A connection that may have to wait for the rest of a head, without a thread."""

    def __init__(self, *args):
        super().__init__(*args)
        self.head = bytearray()  # what came of a request whose head is incomplete

    def init(self):
        """Make the parser, on the first request, and let it count what comes."""
        if not self.initialized:
            super().init()
            self.parser.unreader = CountingUnreader(self.sock)


@dataclass(frozen=True)
class _Deadline:
    """When a thread must be done with reading or writing, monotonic seconds; for a body, when nothing of it comes."""

    at: float
    request: Request | None = None  # whose body is read; nothing when another thing is waited for

    def is_over(self) -> bool:
        if self.request is None:
            return time.monotonic() > self.at
        earned_s = self.request.unreader.received / BODY_BYTES_PER_S
        return time.monotonic() > self.at + earned_s and not _is_read(self.request)


def _is_read(request: Request) -> bool:
    """Whether the body was read to its end: then it is the model that is waited for, which has its own deadline."""
    reader = request.body.reader
    return reader.parser is None if isinstance(reader, ChunkedReader) else reader.length == 0


def _leaves_half_a_head(conn: Connection) -> bool:
    """Whether a part of the next request's head was read already."""
    rest = conn.parser.unreader.buf.getvalue()
    return bool(rest) and HEAD_END not in rest


class HardenedWorker(ThreadWorker):
    """`ThreadWorker` in which a client that sends or takes a byte now and then is cut off."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._deadlines: dict[Connection, _Deadline] = {}
        self._served = threading.local()  # .connection: the one that this thread serves

    def load_wsgi(self):
        """Load the site, and limit how long a client may take for its answer."""
        super().load_wsgi()
        site = self.wsgi

        def answer(environ, start_response):
            content = site(environ, start_response)
            self._deadlines[self._served.connection] = _Deadline(time.monotonic() + ANSWER_S)
            return content

        self.wsgi = answer

    def accept(self, listener):
        """Accept a connection and wait for its first request without a thread."""
        try:
            client, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        self.nr_conns += 1
        self._await_head(Connection(self.cfg, client, address, listener.getsockname()))

    def on_client_socket_readable(self, conn, client):
        """Wait in the same way for the next request on a connection that was kept alive."""
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        self._await_head(conn)

    def _await(self, conn, seconds, react):
        """Call `react(conn, data)` with what comes, until `_done_waiting`, or the connection is closed."""
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + seconds
        # `murder_pending` closes those whose time is over, from the front until it meets one whose is not.
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(self._read, conn, react))

    def _read(self, conn, react, client):
        try:
            data = client.recv(HEAD_BYTES)
        except BlockingIOError:
            return
        except OSError:  # the client reset the connection
            data = b""
        react(conn, data)

    def _done_waiting(self, conn):
        self.poller.unregister(conn.sock)
        self.pending_conns.remove(conn)

    def _close(self, conn):
        self.nr_conns -= 1
        conn.close()

    def _await_head(self, conn, begun=b""):
        conn.head[:] = begun
        self._await(conn, HEAD_S, self._collect_head)

    def _collect_head(self, conn, data):
        conn.head += data
        whole = HEAD_END in conn.head
        if data and not whole and len(conn.head) < HEAD_BYTES:
            return
        self._done_waiting(conn)
        if not whole:  # never to a thread, which would wait for the rest
            self._close(conn)
            return
        conn.init()
        conn.parser.unreader.unread(bytes(conn.head))
        self.enqueue_req(conn)

    def handle(self, conn):
        """Serve a request, in a thread."""
        self._served.connection = conn
        self._deadlines[conn] = _Deadline(time.monotonic() + HEAD_S)
        return super().handle(conn)

    def handle_request(self, req, conn):
        """Let the site answer, while the body must come at a pace; say whether the connection can go on."""
        req.unreader.received = 0
        self._deadlines[conn] = _Deadline(time.monotonic() + BODY_S, req)
        return super().handle_request(req, conn) and _is_read(req)  # gunicorn would let the thread read the rest

    def finish_request(self, conn, fs):
        """Close the connection, or keep it for the next request, whose beginning may have come already."""
        self._deadlines.pop(conn, None)
        failed = fs.cancelled() or fs.exception() is not None
        if not failed and not fs.result():
            self._await_the_rest(conn)
        elif not failed and self.alive and _leaves_half_a_head(conn):  # gunicorn would let a thread wait for the rest
            self._await_head(conn, conn.parser.unreader.take_buffered())
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
            self._await(conn, REST_S, self._forget)

    def _forget(self, conn, data):
        if not data:
            self._done_waiting(conn)
            self._close(conn)

    def murder_pending(self):
        """Cut off who is too slow; gunicorn's main loop calls this every second."""
        super().murder_pending()
        for conn, deadline in self._deadlines.copy().items():  # threads change it meanwhile
            if deadline.is_over():
                del self._deadlines[conn]
                with contextlib.suppress(OSError):  # closed by now
                    conn.sock.shutdown(socket.SHUT_RDWR)  # its thread wakes up and finds the client gone
