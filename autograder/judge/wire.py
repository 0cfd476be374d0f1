"""Messages over a socket: a length, then msgpack.

A message is a list whose first item names it. The reader bounds the bytes before it reads them and what
msgpack may make of them (no extension types, no maps); what the items mean is checked by `values` and by
the reader of each message. Both sides use the same code, only the judge passes a `tick`, which keeps it
from waiting for ever.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable

import msgpack

MAX_BYTES = 64 << 20
MAX_ITEMS = 200_000  # of one list; a list takes memory when it is announced
MAX_PARTS = 1_000_000  # lists and their items in one message: an empty list has one byte here, and 64 in memory
_HEADER = struct.Struct(">I")
_CHUNK = 1 << 18
TICK = 0.05  # seconds between two looks at the limits while waiting


class WireError(Exception):
    """The other side sent something that is no message: it is not spoken with again."""


class Closed(Exception):
    """The other side has ended."""


def pack(message: list) -> bytes:
    """The message as bytes, without its length. `ValueError` if it is too large."""
    try:
        return msgpack.packb(message, use_bin_type=True, unicode_errors="replace")
    except (ValueError, OverflowError, RecursionError) as error:
        raise ValueError(f"this cannot be sent: {error}") from None


def unpack(data: bytes | bytearray) -> list:
    """The message in these bytes. `WireError` if they are not exactly one list with a text in front."""
    parts = 0

    def count(made: list) -> list:
        nonlocal parts
        parts += len(made) + 1
        if parts > MAX_PARTS:
            raise ValueError("too many parts")
        return made

    try:
        message = msgpack.unpackb(
            data,
            raw=False,
            use_list=True,
            list_hook=count,
            max_str_len=MAX_BYTES,
            max_bin_len=MAX_BYTES,
            max_array_len=MAX_ITEMS,
            max_map_len=0,
            max_ext_len=0,
        )
    except Exception as error:  # msgpack raises many kinds, all of them mean the same here
        raise WireError(f"not a message ({type(error).__name__})") from None
    if type(message) is not list or not message or type(message[0]) is not str:
        raise WireError("not a message (no list with a name in front)")
    return message


class Channel:
    """One end of a socket on which both sides send messages in turn.

    `tick()` is called every `TICK` seconds of waiting and may raise; without one, waiting has no end.
    """

    def __init__(
        self,
        sock: socket.socket,
        *,
        max_bytes: int = MAX_BYTES,
        tick: Callable[[], None] | None = None,
    ):
        self.sock = sock
        self.max_bytes = max_bytes
        self.tick = tick
        self._buffer = bytearray()
        sock.settimeout(TICK if tick else None)

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self.sock.fileno()

    def has_more(self) -> bool:
        """Whether something has been read that belongs to the next message."""
        return bool(self._buffer)

    def close(self) -> None:
        """Close the socket; closing twice is fine."""
        self.sock.close()

    def send(self, message: list) -> None:
        """Send a message. `ValueError` if it is too large, `Closed` if nobody is there."""
        body = pack(message)
        if len(body) > self.max_bytes:
            raise ValueError(f"a message of {len(body)} bytes is over the limit of {self.max_bytes}")
        view = memoryview(_HEADER.pack(len(body)) + body)
        while view:
            try:
                view = view[self.sock.send(view) :]
            except TimeoutError:
                self.tick()
            except OSError:
                raise Closed("the other side has ended") from None

    def receive(self) -> list:
        """The next message. `Closed` at the end, `WireError` for anything that is no message."""
        (size,) = _HEADER.unpack(self._take(_HEADER.size))
        if size > self.max_bytes:
            raise WireError(f"a message of {size} bytes is over the limit of {self.max_bytes}")
        return unpack(self._take(size))

    def _take(self, count: int) -> bytes:
        buffer = self._buffer
        while len(buffer) < count:  # grows by what has arrived, not by what was announced
            try:
                data = self.sock.recv(_CHUNK)
            except TimeoutError:
                self.tick()
                continue
            except OSError:
                raise Closed("the other side has ended") from None
            if not data:
                raise Closed("the other side has ended")
            buffer += data
            if self.tick and len(buffer) < count:
                self.tick()  # also where data trickles in and no wait is ever long
        taken = bytes(buffer[:count])
        del buffer[:count]
        return taken
