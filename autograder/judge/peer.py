"""One end of a conversation: requests, answers, and requests in between (callbacks), with objects by handle.

Both ends are alike: each may ask the other to do something with objects that live there, and answers what
is asked of it. What an end lets itself be asked is up to its subclass: a student's process does
everything (`student`), the judge only calls the callables of the test that it passed itself (`proxy`).

    request   ["?", operation, released handles, grad mode, numpy's error mode, arguments]
    answer    ["=", value]   or   ["!", error]
"""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import torch

from .decoding import decode
from .encoding import encode
from .gradients import Gradients
from .wire import Channel, WireError

MAX_NESTING = 100  # callbacks within callbacks


_ERROR_KINDS = ("divide", "over", "under", "invalid")
_ERROR_MODES = {"i": "ignore", "w": "warn", "r": "raise"}


def _error_mode() -> str:
    """numpy's error state as four letters: it holds for what is asked of the other side as well."""
    state = np.geterr()
    return "".join(state[kind][0] if state[kind][0] in _ERROR_MODES else "w" for kind in _ERROR_KINDS)


class FarError(Exception):
    """The other side answered with an error; `fields` is what it sent."""

    def __init__(self, fields: list):
        super().__init__("the other side raised an exception")
        self.fields = fields


class Peer(Gradients):
    """One end of a channel. Not for use from several threads."""

    def __init__(self, channel: Channel):
        super().__init__()
        self.channel = channel
        self.nesting = 0

    # -------------------------------------------------------------------------------------------- asking

    def request(self, operation: str, *arguments: Any) -> Any:
        """Ask the other side and return its answer. `FarError` for an error over there."""
        released, self.released = self.released, []
        with self.sending("arguments"):
            node = encode(arguments, self)
        self.channel.send(["?", operation, released, torch.is_grad_enabled(), _error_mode(), node])
        return self.await_answer()

    def await_answer(self) -> Any:
        """Serve what the other side asks in the meantime, until its answer comes."""
        while True:
            message = self.channel.receive()
            if message[0] == "=" and len(message) == 2:
                return decode(message[1], self)
            if message[0] == "!" and len(message) == 2 and type(message[1]) is list:
                raise FarError(message[1])
            if message[0] != "?":
                raise WireError("neither an answer nor a request")
            self.answer(message)

    # ----------------------------------------------------------------------------------------- answering

    def answer(self, message: list) -> None:
        """Do what a request asks for and send the answer."""
        if len(message) != 6 or [type(part) for part in message[1:5]] != [str, list, bool, str]:
            raise WireError("not a request")
        _, operation, released, grad, errors, node = message
        if len(errors) != 4 or not set(errors) <= set(_ERROR_MODES):
            raise WireError("not an error mode")
        self.let_go(released)
        if self.nesting >= MAX_NESTING:
            raise WireError("too many callbacks within callbacks")
        self.nesting += 1
        try:
            with contextlib.ExitStack() as stack:
                stack.enter_context(torch.set_grad_enabled(grad))
                if errors != _error_mode():
                    modes = [_ERROR_MODES[letter] for letter in errors]
                    stack.enter_context(np.errstate(**dict(zip(_ERROR_KINDS, modes, strict=True))))
                reply = self.reply_to(operation, node)
        finally:
            self.nesting -= 1
        try:
            self.channel.send(reply)
        except ValueError as error:
            self.channel.send(["!", self.describe_error(error)])

    def reply_to(self, operation: str, node: Any) -> list:
        """The answer to one request as a message."""
        try:
            arguments = decode(node, self)
            if type(arguments) is not tuple:
                raise WireError("not arguments")
            value = self.perform(operation, arguments)
            with self.sending("result"):
                return ["=", encode(value, self)]
        except WireError:
            raise
        except BaseException as error:
            return ["!", self.describe_error(error)]

    def perform(self, operation: str, arguments: tuple) -> Any:
        """Do what is asked. `WireError` for what this side does not do."""
        raise NotImplementedError

    def describe_error(self, error: BaseException) -> list:
        """What the other side is told about an exception; plain fields only."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------------------- handles

    def let_go(self, released: Any) -> None:
        """Forget handles that the other side no longer holds: pairs of a number and how often it was sent."""
        for pair in released:
            if type(pair) is not list or len(pair) != 2 or type(pair[0]) is not int:
                raise WireError("not a handle")
            self.forget(*pair)
