"""A raw HTTP/1.1 client on sockets: it sends any bytes, reads strictly, and knows when each chunk came.

It is strict about what the server sends (framing, header syntax) because that is part of what is tested, and it has no
opinion at all about what the test sends. Every exchange is kept in `transcript`, which the runner prints on a failure.
"""

import collections
import json
import re
import select
import socket
import struct
import time

from lib.check import Failure
from lib.slow import scaled

transcript = collections.deque(maxlen=8)

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9]) ?([\x20-\x7e]*)\Z")
_HEADER_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\x80-\xff\t]*?)[ \t]*\Z")


class ConnectionGone(ConnectionError):
    """The server closed or reset the connection where a (further) response was due."""


class TooSlow(Failure):
    """Nothing came within the time allowed."""


class Response:
    def __init__(self, version, status, reason, headers):
        self.version = version
        self.status = status
        self.reason = reason
        self.headers = headers  # [(name, value)] in the order received
        self.body = b""
        self.framing = "none"  # length, chunked, eof, none
        self.complete = False
        self.pieces = []  # [(monotonic seconds, bytes)] as they came

    def all(self, name):
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def header(self, name, default=None):
        values = self.all(name)
        if len(values) > 1 and name.lower() not in ("link", "vary", "set-cookie"):
            raise Failure(f"header {name} came {len(values)} times: {values}", self)
        return values[0] if values else default

    @property
    def media_type(self):
        return (self.header("content-type") or "").split(";")[0].strip().lower()

    def json(self):
        try:
            return json.loads(self.body.decode("utf-8"))
        except ValueError as e:
            raise Failure(f"the body is no JSON: {e}", self) from None

    def __str__(self):
        head = "".join(f"\n{n}: {v}" for n, v in self.headers)
        return f"HTTP/1.{self.version} {self.status} {self.reason}{head}\n\n{_printable(self.body, 3000)}"


def _printable(data, limit):
    text = data[:limit].decode("utf-8", "backslashreplace")
    return text + (f"... [{len(data)} bytes]" if len(data) > limit else "")


def connect(address, timeout=None, receive_buffer=None):
    """address: ("127.0.0.1", port) or "unix:/path"."""
    if isinstance(address, str):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        target = address[len("unix:"):]
    else:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        target = address
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(timeout or scaled(10))
    try:
        sock.connect(target)
    except BaseException:
        sock.close()
        raise
    if sock.family == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def encode_request(method, target, headers=None, body=None, host="localhost"):
    """headers: dict or list of pairs. Adds Host and Content-Length unless they are there (None as value leaves one out)."""
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers or [])
    names = {n.lower() for n, _ in pairs}
    if "host" not in names:
        pairs.insert(0, ("Host", host))
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
    if isinstance(body, str):
        body = body.encode("utf-8")
    if body is not None and "content-length" not in names and "transfer-encoding" not in names:
        pairs.append(("Content-Length", str(len(body))))
    lines = [f"{method} {target} HTTP/1.1".encode("latin-1")]
    lines += [n.encode("latin-1") + b": " + (v if isinstance(v, bytes) else str(v).encode("latin-1"))
              for n, v in pairs if v is not None]
    return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")


class Connection:
    def __init__(self, address, timeout=None, receive_buffer=None):
        self.timeout = timeout or scaled(15)
        self.sock = connect(address, self.timeout, receive_buffer)
        self.buffer = bytearray()
        self.last_request = b""
        self.methods = collections.deque()  # of requests whose response was not read yet

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # --- sending

    def send(self, data):
        self.last_request = bytes(data)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server may have answered and closed: the response tells

    def request(self, method, target, headers=None, body=None):
        self.methods.append(method)
        self.send(encode_request(method, target, headers, body))
        return self

    def ask(self, method, target, headers=None, body=None):
        return self.request(method, target, headers, body).response()

    def close(self):
        self.sock.close()

    def reset(self):
        """Goes away with RST, as a killed client behind a NAT does."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def shut_write(self):
        self.sock.shutdown(socket.SHUT_WR)

    # --- receiving

    def fill(self, deadline):
        """Receives something into the buffer. False at the end; the time of arrival otherwise."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise TooSlow(f"no answer within the time allowed; so far: {_printable(bytes(self.buffer), 500)!r}",
                          self.last_request)
        self.sock.settimeout(left)
        try:
            data = self.sock.recv(65536)
        except (ConnectionResetError, BrokenPipeError):
            return False
        except (TimeoutError, socket.timeout):
            return self.fill(deadline)
        if not data:
            return False
        self.buffer += data
        return time.monotonic()

    def is_quiet(self, seconds):
        """True if nothing comes and nobody closes for that long. Only for proving that nothing happens."""
        readable, _, _ = select.select([self.sock], [], [], seconds)
        return not readable and not self.buffer

    def wait_closed(self, timeout=None):
        """Waits until the server closes; what it sends before is returned."""
        deadline = time.monotonic() + (timeout or self.timeout)
        while self.fill(deadline):
            pass
        data, self.buffer = bytes(self.buffer), bytearray()
        return data

    def line(self, deadline):
        while True:
            at = self.buffer.find(b"\n")
            if at >= 0:
                line = bytes(self.buffer[:at + 1])
                del self.buffer[:at + 1]
                if not line.endswith(b"\r\n"):
                    raise Failure(f"a line ends in LF without CR: {line!r}", self.last_request)
                return line[:-2]
            if not self.fill(deadline):
                raise ConnectionGone(f"closed inside the head: {bytes(self.buffer)[:200]!r}")

    def head(self, timeout=None):
        """The head of the next response (1xx are passed over)."""
        deadline = time.monotonic() + (timeout or self.timeout)
        while True:
            if not self.buffer and not self.fill(deadline):
                raise ConnectionGone("closed before a response")
            first = self.line(deadline)
            m = _STATUS_LINE.match(first)
            if not m:
                raise Failure(f"not a status line: {first!r}", self.last_request)
            headers = []
            while True:
                line = self.line(deadline)
                if not line:
                    break
                h = _HEADER_LINE.match(line)
                if not h:
                    raise Failure(f"not a header line: {line!r}", self.last_request)
                headers.append((h.group(1).decode("latin-1"), h.group(2).decode("latin-1")))
            r = Response(int(m.group(1)), int(m.group(2)), m.group(3).decode("latin-1"), headers)
            if r.status >= 200:
                return r

    def body_pieces(self, r, method, timeout=None):
        """Yields (time, bytes) as they come; sets r.framing, and r.complete at a proper end."""
        timeout = timeout or self.timeout
        lengths, codings = r.all("content-length"), r.all("transfer-encoding")
        if lengths and codings:
            raise Failure("both Content-Length and Transfer-Encoding", r)
        if len(lengths) > 1:
            raise Failure("Content-Length twice", r)
        if method == "HEAD" or r.status in (204, 304):
            if r.status == 204 and (lengths or codings):
                raise Failure("a 204 with framing headers (RFC 9110, 8.6)", r)
            r.complete = True
        elif codings:
            if [c.lower() for c in codings] != ["chunked"]:
                raise Failure(f"Transfer-Encoding: {codings}", r)
            r.framing = "chunked"
            yield from self._chunks(r, timeout)
        elif lengths:
            r.framing = "length"
            if not re.fullmatch("[0-9]+", lengths[0]):
                raise Failure(f"Content-Length: {lengths[0]}", r)
            yield from self._counted(r, int(lengths[0]), timeout)
        else:
            r.framing = "eof"
            yield from self._to_end(r, timeout)

    def _take(self, n):
        data = bytes(self.buffer[:n])
        del self.buffer[:n]
        return data

    def _counted(self, r, left, timeout):
        at = time.monotonic()
        while left:
            if not self.buffer:
                at = self.fill(time.monotonic() + timeout)
                if not at:
                    return
            data = self._take(left)
            left -= len(data)
            yield at, data
        r.complete = True

    def _to_end(self, r, timeout):
        at = time.monotonic()
        while True:
            if self.buffer:
                yield at, self._take(len(self.buffer))
            at = self.fill(time.monotonic() + timeout)
            if not at:
                r.complete = True
                return

    def _chunks(self, r, timeout):
        at = time.monotonic()
        while True:
            size = None
            while size is None:
                end = self.buffer.find(b"\r\n")
                if end >= 0:
                    line = self._take(end + 2)[:-2]
                    if not re.fullmatch(rb"[0-9A-Fa-f]{1,8}", line):
                        raise Failure(f"not a chunk size: {line[:80]!r}", r)
                    size = int(line, 16)
                else:
                    at = self.fill(time.monotonic() + timeout)
                    if not at:
                        return
            while len(self.buffer) < size + 2:
                at = self.fill(time.monotonic() + timeout)
                if not at:
                    return
            data = self._take(size)
            if self._take(2) != b"\r\n":
                raise Failure("a chunk without its CRLF", r)
            if size == 0:
                r.complete = True
                return
            yield at, data

    def response(self, timeout=None, method=None):
        """The next whole response."""
        method = method or (self.methods.popleft() if self.methods else "GET")
        r = self.head(timeout)
        entry = [self.last_request, r]
        transcript.append(entry)
        parts = []
        for at, data in self.body_pieces(r, method, timeout):
            parts.append(data)
            r.pieces.append((at, data))
        r.body = b"".join(parts)
        if not r.complete:
            raise ConnectionGone(f"closed inside the body after {len(r.body)} bytes")
        return r

    def open_stream(self, timeout=None):
        method = self.methods.popleft() if self.methods else "GET"
        r = self.head(timeout)
        transcript.append([self.last_request, r])
        return Stream(self, r, method)


class Event:
    """One event as a reader got it. `raw` is the JSON text exactly as sent."""

    def __init__(self, raw, at, sse_id=None, sse_type=None):
        self.raw = raw
        self.at = at
        self.sse_id = sse_id
        self.sse_type = sse_type
        try:
            self.json = json.loads(raw.decode("utf-8"))
        except ValueError:
            raise Failure(f"an event's data is no JSON: {raw!r}") from None
        self.seq = self.json.get("seq")
        self.type = self.json.get("type")
        self.data = self.json.get("data")
        self.task = self.json.get("task")
        self.attempt = self.json.get("attempt")

    def __repr__(self):
        return f"<{self.seq} {self.type} {json.dumps(self.data)[:160]}>"


HEARTBEAT = "heartbeat"


class Stream:
    """A response that is read while it comes. SSE and NDJSON are parsed; everything else is bytes."""

    def __init__(self, conn, r, method="GET"):
        self.conn = conn
        self.response = r
        self.status = r.status
        self.pieces = conn.body_pieces(r, method)
        self.raw = bytearray()  # all bytes of the body so far
        self.unread = bytearray()
        self.at = None
        self.heartbeats = []  # arrival times
        self.retry_ms = None
        self.comments = []
        self.seen = []  # all events so far
        self.is_sse = r.media_type == "text/event-stream"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.conn.close()

    def more(self):
        """Reads the next piece; False at the end of the response."""
        for at, data in self.pieces:
            self.at = at
            self.raw += data
            self.unread += data
            self.response.pieces.append((at, data))
            self.response.body = bytes(self.raw) if len(self.raw) < 20000 else self.response.body
            return True
        return False

    def finish(self):
        """Reads to the end; the response with its whole body."""
        while self.more():
            pass
        self.response.body = bytes(self.raw)
        return self.response

    def _block(self, separator):
        while True:
            at = self.unread.find(separator)
            if at >= 0:
                block = bytes(self.unread[:at])
                del self.unread[:at + len(separator)]
                return block
            if not self.more():
                if self.unread:
                    raise Failure(f"the stream ends inside a frame: {bytes(self.unread)!r}", self.response)
                return None

    def next(self, with_heartbeats=False):
        """The next event, or None at the end. Heartbeats are noted, and returned only if asked for."""
        while True:
            item = self._next_sse() if self.is_sse else self._next_line()
            if item is HEARTBEAT:
                self.heartbeats.append(self.at)
                if with_heartbeats:
                    return HEARTBEAT
                continue
            if item is not None:
                self.seen.append(item)
            return item

    def _next_line(self):
        line = self._block(b"\n")
        if line is None:
            return None
        event = Event(line, self.at)
        return HEARTBEAT if event.type == "heartbeat" and event.seq is None else event

    def _next_sse(self):
        """A frame must be exactly `id: N`, `event: T`, `data: J`; stream.end has no id; comments stand alone."""
        while True:
            block = self._block(b"\n\n")
            if block is None:
                return None
            lines = block.split(b"\n")
            if lines[0].startswith(b"retry: "):
                if self.retry_ms is not None or self.seen:
                    raise Failure("retry: is not the first line of the stream", bytes(self.raw))
                self.retry_ms = int(lines.pop(0)[7:])
                if not lines:
                    continue
            if lines == [b": hb"]:
                return HEARTBEAT
            while lines and lines[0].startswith(b":"):
                self.comments.append(lines.pop(0))
            if not lines:
                continue
            m = re.fullmatch(rb"(?:id: ([0-9A-Za-z._:-]+)\n)?event: ([a-z._]+)\ndata: ([^\r\n]*)", b"\n".join(lines))
            if not m:
                raise Failure(f"not an SSE frame as the contract has it: {block!r}", self.response)
            event = Event(m.group(3), self.at, m.group(1) and m.group(1).decode(), m.group(2).decode())
            if event.sse_type != event.type:
                raise Failure(f"event: {event.sse_type} but type {event.type}", event.raw)
            own_id = event.json.get("id", event.seq)  # the bus names its events by cursors of its own
            if own_id is not None and event.sse_id is not None and str(own_id) != event.sse_id:
                raise Failure(f"id: {event.sse_id} but {own_id} in its data", event.raw)
            return event

    def until(self, *types):
        """Reads on to the first event of one of these types and returns it."""
        while True:
            e = self.next()
            if e is None:
                raise Failure(f"the stream ended before {' or '.join(types)}; it had {self.seen}", self.response)
            if e.type in types:
                return e

    def all(self):
        """All events to the end of the response, those already read included. The end must be a proper one."""
        while self.next() is not None:
            pass
        if not self.response.complete:
            raise Failure("the stream was cut: its framing says that more was to come", bytes(self.raw[-500:]))
        return self.seen

    def __iter__(self):
        while True:
            e = self.next()
            if e is None:
                return
            yield e
