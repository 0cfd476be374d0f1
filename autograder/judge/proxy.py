"""The judge's end of the wire: the student's objects as proxies.

A proxy is not the object. Calling it, its attributes, items, length, iteration and arithmetic are asked
of the student's process; what comes back by value is plain data, anything else is another proxy. Nothing
that a student's class defines can make a proxy equal to a value, true, ordered or an array: `==` is
identity, truth, `<` and `np.asarray` are refused. A check that wants a student's own comparison ships an
expression (`testing.ship`).
"""

from __future__ import annotations

import builtins
import re
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from coursekit.values import TYPE_NAMES

from autograder.testing import ForbiddenCall, Observation, TimeLimitExceeded

from . import known
from .peer import FarError, Peer
from .wire import Channel, Closed, WireError

MAX_ITERATIONS = 100_000
MAX_TEXT = 4_000
MAX_LINES = 300  # of the student's own line, with its place
_NUMBER = r"(?:(?:np\.)?(?:float|int|tensor|array)\d*\(\[*)?[-+]?(?:\d[\d.]*(?:[eE][-+]?\d+)?|nan|inf)"
_MANY_NUMBERS = re.compile(rf"(?:{_NUMBER}[\s,;\[\]()]+){{4,}}[-+\w.]*")
_NAME = re.compile(r"[^\W\d]\w{0,79}")
# Attributes with two underscores are the business of Python's protocols, which proxies answer themselves.
_ASKED_DUNDERS = {"__name__", "__doc__", "__qualname__", "__dict__", "__module__", "__annotations__"}


class Gone(BaseException):
    """The student's process has ended or was ended; `outcome` is "time", "memory", "crashed" or "fault".

    Not an `Exception`: a test that expects exceptions of the student's code must not take this for one.
    """

    def __init__(self, outcome: str, message: str):
        super().__init__(message)
        self.outcome = outcome
        self.message = message


class StudentError(Exception):
    """An exception of the student's code. Its class also derives from the builtin class it had over there.

    `student_traceback` holds the student's own lines as text.
    """

    student_traceback = ""


class NotByValue(TypeError):
    """An object of a class of the student's stands where a check needs numbers, a text or a truth value."""


class Link(Peer):
    """The judge's conversation with one student's process.

    `functions` of the test that were passed as arguments can be called back for as long as the link
    lives, which is one test cell.
    """

    def __init__(self, channel: Channel):
        super().__init__(channel)
        self.functions: list[Callable] = []
        self.failures: list[BaseException] = []
        self.proxies: weakref.WeakValueDictionary[int, Proxy] = weakref.WeakValueDictionary()
        self.requests = 0
        self.slow = ""  # what is said of a call that took too long
        self.gone: Gone | None = None

    def request(self, operation: str, *arguments: Any) -> Any:
        """Ask; an error over there is raised as the exception that it was, an end as `Gone`."""
        if self.gone is not None:
            raise self.gone
        self.requests += 1
        try:
            return super().request(operation, *arguments)
        except FarError as error:
            raise self.exception(error.fields) from None
        except WireError as error:
            self.gone = Gone("crashed", f"the submission's process sent what is no message: {error}")
        except Closed:
            self.gone = Gone("crashed", "the submission's process ended")
        except Gone as gone:
            self.gone = gone
        raise self.gone from None

    # ----------------------------------------------------------------------------------- what may cross

    def by_value(self, value: Any) -> bool:
        return type(value).__module__ != "__main__"

    def refer(self, value: Any) -> list:
        kind = type(value)
        if kind is Proxy:
            link, number = _link_of(value), _number_of(value)
            if link is not self:
                raise TypeError("an object of another test cell or of another process cannot be passed here")
            return ["h", number]
        name = known.name_of(value)
        if name is not None:
            return ["k", *name]
        if callable(value):
            for number, function in enumerate(self.functions):
                if function is value:
                    return ["j", number]
            self.functions.append(value)
            return ["j", len(self.functions) - 1]
        raise TypeError(f"a {kind.__name__} cannot be passed to the student's process: ship it (testing.ship)")

    def resolve(self, node: list) -> Any:
        if len(node) == 3 and node[0] == "h" and type(node[1]) is int and type(node[2]) is str:
            proxy = self.proxies.get(node[1])
            if proxy is None:
                proxy = self.proxies[node[1]] = Proxy(self, node[1], clean_name(node[2]))
            object.__setattr__(proxy, "_times", object.__getattribute__(proxy, "_times") + 1)
            return proxy
        if len(node) == 2 and node[0] == "j" and type(node[1]) is int and 0 <= node[1] < len(self.functions):
            return self.functions[node[1]]
        raise WireError("unknown tag")

    # ------------------------------------------------------------------------------------ what is served

    def perform(self, operation: str, arguments: tuple) -> Any:
        if operation == "call" and len(arguments) == 3:
            function, args, kwargs = arguments
            allowed = any(function is f for f in self.functions)
            if not allowed or type(args) is not tuple or type(kwargs) is not dict:
                raise WireError("not a call of a function of the test")
            if not all(type(k) is str for k in kwargs):
                raise WireError("not keywords")
            return function(*args, **kwargs)
        if operation == "gradients" and len(arguments) == 3:
            return self.gradients_of(*arguments)
        raise WireError("the judge does not do that")

    def describe_error(self, error: BaseException) -> list:
        """Only the kind of the exception: its text may hold what the student is not to know."""
        if not isinstance(error, Exception):
            raise error  # the link itself has ended
        kind = next(k.__name__ for k in type(error).__mro__ if k.__module__ == "builtins")
        self.failures.append(error)
        return [kind, len(self.failures) - 1]

    # ------------------------------------------------------------------------------------------- errors

    def exception(self, fields: list) -> BaseException:
        """The exception for an error that the student's process reports."""
        if len(fields) != 6 or [type(f) for f in fields] != [str, list, str, str, str, int]:
            raise WireError("not an error")
        name, bases, text, lines, flag, failure = fields
        if 0 <= failure < len(self.failures):  # a callback of the test failed: its own exception is the news
            return self.failures[failure]
        text, lines = _few_numbers(text[:MAX_TEXT]), _few_numbers(lines[:MAX_LINES])
        if flag == "time":
            return Gone("time", "\n  ".join(filter(None, (self.slow, lines.strip()))))
        if flag in ("forbidden", "limit"):
            made: Exception = (ForbiddenCall if flag == "forbidden" else TimeLimitExceeded)(text)
            made.student_traceback = lines
            return made
        base = next((b for b in bases[:20] if type(b) is str and b in _BUILTIN_ERRORS), "Exception")
        return _error_class(clean_name(name), base, flag == "finding")._make(text, lines)


def _error_class(name: str, base: str, finding: bool) -> type[StudentError]:
    kind = _BUILTIN_ERRORS[base]

    def __str__(self: StudentError) -> str:
        return self.text

    def _make(text: str, lines: str) -> StudentError:
        made = cls.__new__(cls, text)  # without `__init__`: some builtin exceptions want more than a text
        made.text, made.student_traceback = text, lines
        if base == "NameError":
            found = re.search(r"name '([^']{1,80})'", text)
            made.name = found.group(1) if found else None
        return made

    bases = (StudentError,) if kind is Exception else (StudentError, kind)
    members = {"__str__": __str__, "_make": staticmethod(_make), "__module__": "builtins", "finding": finding}
    cls = type(name, bases, members)
    return cls


_BUILTIN_ERRORS = {
    name: kind
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and issubclass(kind, Exception) and "Group" not in name
}


def _few_numbers(text: str) -> str:
    """The text without rows of numbers: an exception of the student's could show a hidden test's inputs in them."""
    return _MANY_NUMBERS.sub("[...]", text)


def clean_name(name: str) -> str:
    """A class's name as the other side tells it, if it is a name at all."""
    return name if _NAME.fullmatch(name) else "object"


# ------------------------------------------------------------------------------------------------- proxies


def _link_of(proxy: Proxy) -> Link:
    return object.__getattribute__(proxy, "_link")


def _number_of(proxy: Proxy) -> int:
    return object.__getattribute__(proxy, "_number")


def _class_of(proxy: Proxy) -> str:
    return object.__getattribute__(proxy, "_class")


class Proxy:
    """An object in the student's process."""

    __slots__ = ("__weakref__", "_class", "_link", "_number", "_times")
    __array_ufunc__ = None  # numpy leaves operators to the methods below

    def __init__(self, link: Link, number: int, class_name: str):
        object.__setattr__(self, "_link", link)
        object.__setattr__(self, "_number", number)
        object.__setattr__(self, "_class", class_name)
        object.__setattr__(self, "_times", 0)

    def __del__(self) -> None:
        times = object.__getattribute__(self, "_times")
        if times:
            _link_of(self).released.append([_number_of(self), times])

    def __repr__(self) -> str:
        return f"<{_class_of(self)} object of the submission>"

    def __hash__(self) -> int:
        return object.__hash__(self)

    def __eq__(self, other: Any) -> bool:
        return self is other

    # ------------------------------------------------------------------- asked of the student's process

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__") and name not in _ASKED_DUNDERS:
            raise AttributeError(f"{_class_of(self)!r} object has no attribute {name!r}", name=name)
        return _link_of(self).request("get", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        _link_of(self).request("set", self, name, value)

    def __delattr__(self, name: str) -> None:
        _link_of(self).request("delete", self, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _link_of(self).request("call", self, args, kwargs)

    def __observe__(self, args: tuple, kwargs: dict, options: dict) -> Observation:
        fields = _link_of(self).request("observe", self, args, kwargs, options)
        if type(fields) is not tuple or [type(f) for f in fields[1:]] != [tuple, dict, str, list, float]:
            raise WireError("not an observation")
        return Observation(*fields)

    def __getitem__(self, key: Any) -> Any:
        return _link_of(self).request("item", self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        _link_of(self).request("set item", self, key, value)

    def __delitem__(self, key: Any) -> None:
        _link_of(self).request("delete item", self, key)

    def __len__(self) -> int:
        return self._plain("len", int, "a length")

    def __iter__(self) -> Iterator[Any]:
        iterator = _link_of(self).request("iterate", self)
        if type(iterator) is not Proxy:
            raise WireError("not an iterator")
        for _ in range(MAX_ITERATIONS):
            step = _link_of(self).request("next", iterator)
            if type(step) is not tuple or len(step) > 1:
                raise WireError("not a step")
            if not step:
                return
            yield step[0]
        raise StudentError(f"the iteration did not end after {MAX_ITERATIONS} items")

    def __enter__(self) -> Any:
        return _link_of(self).request("enter", self)

    def __exit__(self, kind: Any, error: Any, tb: Any) -> bool:
        _link_of(self).request("exit", self)
        return False  # never swallows an exception of the test

    def __float__(self) -> float:
        return self._plain("float", float, "a number")

    def __int__(self) -> int:
        return self._plain("int", int, "a whole number")

    def _plain(self, operation: str, kind: type, what: str) -> Any:
        value = _link_of(self).request(operation, self)
        if type(value) is not kind:
            raise NotByValue(f"an object of class {_class_of(self)!r} where {what} was expected")
        return value

    # --------------------------------------------------------------------------------------------- refused

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        needed = "where a number, a text, an array or a truth value is needed"
        raise NotByValue(f"an object of class {_class_of(self)!r} {needed}")

    __bool__ = __lt__ = __le__ = __gt__ = __ge__ = __array__ = __index__ = __complex__ = _refuse


def _operator(name: str, reflected: bool) -> Callable:
    def method(self: Proxy, other: Any) -> Any:
        pair = (other, self) if reflected else (self, other)
        return _link_of(self).request("operator", name, pair)

    return method


for _op in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul"):
    setattr(Proxy, f"__{_op}__", _operator(_op, False))
    setattr(Proxy, f"__r{_op}__", _operator(_op, True))
for _op in ("neg", "pos", "abs", "invert"):
    setattr(Proxy, f"__{_op}__", lambda self, _op=_op: _link_of(self).request("operator", _op, (self,)))

TYPE_NAMES[Proxy] = _class_of  # messages speak of what the proxy stands for
