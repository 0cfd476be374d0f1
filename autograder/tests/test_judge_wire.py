"""The wire: values arrive as they were sent, and no message makes the reader hang, grow or run code."""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
import struct
import threading
import time
from fractions import Fraction
from pathlib import Path

import hypothesis.strategies as st
import msgpack
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis.extra import numpy as hnp

from autograder.judge import values, wire
from autograder.judge.decoding import decode
from autograder.judge.encoding import encode
from autograder.judge.values import Side
from autograder.judge.wire import Channel, Closed, WireError

# The same examples in every run, so that a change is what makes a test fail; FUZZ=1 draws new ones.
quick = settings(
    max_examples=150,
    deadline=None,
    derandomize="FUZZ" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def through(value, side=None):
    """The value after a journey over the wire's bytes."""
    side = side or Side()
    message = wire.unpack(wire.pack(["x", encode(value, side)]))
    return decode(message[1], side)


def same(a, b) -> bool:
    """Equal in type, dtype, shape and every bit that matters."""
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        flags = a.dtype == b.dtype and a.shape == b.shape and a.requires_grad == b.requires_grad
        bits = lambda t: t.detach().contiguous().reshape(-1).view(torch.uint8)
        return flags and (a.numel() == 0 or torch.equal(bits(a), bits(b))) and same(a.grad, b.grad)
    if isinstance(a, np.ndarray | np.generic):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, float):
        return struct.pack("d", a) == struct.pack("d", b)
    if isinstance(a, complex):
        return same(a.real, b.real) and same(a.imag, b.imag)
    return a == b


def tensors():
    shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
    names = st.sampled_from(sorted(values.TORCH_DTYPES))

    def make(name, shape, seed, grad):
        generator = torch.Generator().manual_seed(seed)
        made = torch.randint(-50, 50, shape, generator=generator).to(values.TORCH_DTYPES[name])
        if grad and (made.is_floating_point() or made.is_complex()):
            made.requires_grad_()
            if seed % 2:
                made.grad = torch.ones_like(made)
        return made

    return st.builds(make, names, shapes, st.integers(0, 99), st.booleans())


def arrays():
    dtypes = st.one_of(
        hnp.boolean_dtypes(),
        hnp.integer_dtypes(),
        hnp.unsigned_integer_dtypes(),
        hnp.floating_dtypes(sizes=(16, 32, 64)),
        hnp.complex_number_dtypes(sizes=(64, 128)),
        hnp.unicode_string_dtypes(max_len=5),
        hnp.byte_string_dtypes(max_len=5),
    )
    shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
    return hnp.arrays(dtypes, shapes).map(lambda a: np.asarray(a, a.dtype.newbyteorder("<")))


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 200), 1 << 200),
    st.floats(),
    st.complex_numbers(),
    texts,
    st.binary(max_size=20),
    st.just(...),
    st.just(torch.Size([2, 3])),
    st.sampled_from([torch.float32, torch.bool]),
    st.sampled_from([np.dtype("f4"), np.dtype("bool")]),
    st.just(torch.device("cpu")),
    st.builds(slice, st.none() | st.integers(-5, 5), st.none() | st.integers(-5, 5)),
    st.builds(range, st.integers(-5, 5), st.integers(-5, 5), st.integers(1, 3)),
    st.floats(width=32).map(np.float32),
)
keys = st.one_of(st.none(), st.booleans(), st.integers(), texts, st.tuples(st.integers(), texts))
anything = st.recursive(
    st.one_of(scalars, arrays(), tensors()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(keys, inner, max_size=4),
        st.sets(keys, max_size=4),
        st.frozensets(keys, max_size=4),
    ),
    max_leaves=12,
)


@quick
@given(anything)
def test_values_arrive_as_they_were_sent(value):
    assert same(through(value), value)


def test_one_object_stays_one_object():
    rng, array, tensor = np.random.default_rng(3), np.arange(3.0), torch.ones(2, requires_grad=True)
    inner = [array]
    a, b, c, d, e, f, g = through([rng, array, tensor, rng, tensor, inner, (inner, array)])
    assert a is d and c is e and f is g[0] and b is f[0] and b is g[1]
    assert a.standard_normal() == rng.standard_normal()


def test_a_generator_arrives_with_its_state():
    rng = np.random.default_rng(5)
    rng.integers(0, 10, 3, dtype=np.int32)
    arrived = through(rng)
    assert np.array_equal(arrived.integers(0, 1 << 30, 7, np.int32), rng.integers(0, 1 << 30, 7, np.int32))
    made = torch.Generator().manual_seed(9)
    torch.rand(3, generator=made)
    assert torch.equal(torch.rand(4, generator=through(made)), torch.rand(4, generator=made))


def test_classes_are_lost_and_numbers_kept():
    class Loud(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            raise RuntimeError("hostile")

    class Sheep(np.ndarray):
        pass

    class Words(str):
        def __str__(self):
            return "other"

    loud = torch.arange(3.0).as_subclass(Loud)
    arrived = through([loud, np.arange(3).view(Sheep), Words("text"), torch.nn.Parameter(torch.ones(2))])
    assert [type(v) for v in arrived] == [torch.Tensor, np.ndarray, str, torch.Tensor]
    assert arrived[0].tolist() == [0, 1, 2] and arrived[2] == "text" and arrived[3].requires_grad


def test_long_doubles_arrive_as_doubles():
    values = [np.longdouble(1.5), np.arange(3, dtype=np.longdouble), np.ones(2, dtype=np.clongdouble)]
    arrived = through(values)
    assert [v.dtype for v in arrived] == [np.float64, np.float64, np.complex128]
    assert arrived[0] == 1.5 and arrived[1].tolist() == [0, 1, 2]
    swapped = through(np.arange(3, dtype=">f8"))
    assert swapped.tolist() == [0, 1, 2] and swapped.dtype == np.dtype("<f8")


def test_views_of_any_layout_arrive_dense():
    x = torch.arange(24.0).reshape(2, 3, 4)
    a = np.arange(24.0).reshape(4, 6)
    odd = [x.transpose(0, 2), x[:, ::2], x.expand(5, 2, 3, 4), torch.tensor([1 + 2j]).conj()]
    for tensor in odd:
        assert torch.equal(through(tensor), tensor)
    for array in (a.T, a[::-1, ::2], np.asfortranarray(a), a.astype(">f4"), np.ma.masked_less(a, 3.0)):
        assert np.array_equal(through(array), np.ma.filled(array, np.nan), equal_nan=True)


@pytest.mark.parametrize(
    "value",
    [
        object(),
        Fraction(1, 3),
        np.array([object()]),
        np.array(["2024-01-01"], "M8[D]"),
        torch.eye(3).to_sparse(),
        torch.empty(2, device="meta"),
        np.random.Generator(np.random.MT19937(0)),
    ],
    # not `str`: an address in a test's name differs between the test workers
    ids=lambda value: type(value).__name__,
)
def test_everything_else_is_left_to_the_side(value):
    class Naming(Side):
        def refer(self, value):
            return ["h", 7]

        def resolve(self, node):
            return "handle"

    array = np.zeros(2)
    assert through([value, array, {"k": value}, array], Naming())[0] == "handle"
    with pytest.raises(TypeError):
        encode(value, Side())


def test_what_is_too_large_or_circular_is_not_sent():
    deep = []
    for _ in range(60):
        deep = [deep]
    circle = [1]
    circle.append(circle)
    for value in (deep, circle, 1 << 70_000, [0] * (values.MAX_NODES + 1), dict.fromkeys(range(30_000))):
        with pytest.raises(ValueError):
            encode(value, Side())


# ------------------------------------------------------------------------------------------ hostile messages

tags = st.sampled_from([*"iclsAGTNrhjgx", "t", "sz", "d", "fs", "sl", "rg", "el", "dt", "nd", "dv", "tg", ""])
junk = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(1 << 63), (1 << 64) - 1),
        st.floats(),
        st.sampled_from(["float32", "bool", "<f8", "|b1", "|O8", "<U9", "0x1f", "PCG64", "cpu", "os.system"]),
        st.binary(max_size=16),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.builds(lambda t, rest: [t, *rest], tags, st.lists(inner, max_size=6))
    ),
    max_leaves=20,
)


def _shown(value):
    """A text that is equal for equal values: NaN equals NaN here, and a set has no order."""
    if isinstance(value, (set, frozenset)):
        return type(value).__name__, sorted(map(repr, map(_shown, value)))
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [_shown(item) for item in value]
    if isinstance(value, dict):
        return "dict", [(_shown(key), _shown(item)) for key, item in value.items()]
    return repr(value)


@settings(quick, max_examples=600)
@given(junk)
def test_junk_is_a_value_or_a_wire_error(node):
    try:
        value = decode(node, Side())
    except WireError:
        return
    assert _shown(through(value)) == _shown(value)  # what was accepted is an honest value


@st.composite
def damaged(draw):
    """A true message with some of its parts replaced."""
    message = wire.unpack(wire.pack(["x", encode(draw(anything), Side())]))
    for _ in range(draw(st.integers(1, 3))):
        spot, path = message, []
        while isinstance(spot, list) and spot and (not path or draw(st.booleans())):
            path.append((spot, draw(st.integers(0, len(spot) - 1))))
            spot = spot[path[-1][1]]
        owner, index = path[-1]
        if owner is not message or index != 0:
            owner[index] = draw(junk)
    return message


@settings(quick, max_examples=400)
@given(damaged())
def test_damaged_messages_are_values_or_wire_errors(message):
    try:
        value = decode(message[1], Side())
    except (WireError, IndexError):
        return
    through(value)


@settings(quick, max_examples=400)
@given(st.binary(max_size=200))
def test_random_bytes_are_no_message(data):
    try:
        message = wire.unpack(data)
    except WireError:
        return
    assert type(message) is list and type(message[0]) is str


@pytest.mark.parametrize(
    "node",
    [
        ["A", "|b1", [3], b"\x01\x02\xff"],
        ["T", "bool", [3], b"\x01\x02\xff", False, None, None],
    ],
    ids=["array", "tensor"],
)
def test_a_bool_is_true_or_false(node):
    value = decode(node, Side())
    assert bytes(np.asarray(value).tobytes()) == b"\x01\x01\x01"


@pytest.mark.parametrize(
    "node",
    [
        ["T", "float32", [1 << 40], b"", False, None, None],
        ["T", "float32", [1 << 20, 1 << 20], b"", False, None, None],
        ["T", "float32", [-1], b"", False, None, None],
        ["T", "float32", [2], b"1234567", False, None, None],
        ["T", "float32", [True], b"1234", False, None, None],
        ["T", "qint8", [1], b"1", False, None, None],
        ["T", "int64", [1], b"12345678", True, None, None],
        ["T", "float32", [0] * 40, b"", False, None, None],
        ["T", "float32", [1], b"1234", False, ["T", "float32", [2], b"12345678", False, None, None], None],
        ["A", "|O8", [1], b"12345678"],
        ["A", "<U1", [1], b"\xff\xff\xff\xff"],
        ["A", "<M8[D]", [1], b"12345678"],
        ["A", "<f8,<f8", [1], b"1" * 16],
        ["A", "<f8", [1 << 62, 4], b""],
        ["A", "<f8", [0, 1 << 62], b""],
        ["l", [["r", 0]]],
        ["r", 0],
        ["r", -1],
        ["i", "__import__('os')"],
        ["i", "0x" + "f" * 5000],
        ["d", [[["l", []], 1]]],
        ["d", [[["A", "<f8", [], b"12345678"], 1]]],
        ["s", [["d", []]]],
        ["sl", ["x"]],
        ["rg", 0, 10, 0],
        ["dv", "cpu; import os"],
        ["dt", "load"],
        ["nd", "O"],
        ["G", "MT19937", "0x1", "0x1", 0, 0],
        ["G", "PCG64", "0x1", "0x2", 0, 0],
        ["tg", b"\x00" * 10],
        ["tg", b"\xff" * 5056],
        ["h", 1],
        ["g", "os", "system"],
    ],
    ids=lambda node: str(node)[:40],
)
def test_lies_are_refused(node):
    with pytest.raises(WireError):
        decode(node, Side())


def test_shared_parts_cannot_multiply():
    node = ["l", []]
    for depth in range(40):  # each level holds the one below it many times
        node = ["l", [node] + [["r", depth]] * 50] if depth == 0 else ["l", [node] * 1 + [["r", 1]] * 50]
    with pytest.raises(WireError):
        decode(node, Side())
    wide = ["l", [["l", [0.0] * 1000]] + [["r", 1]] * 600]
    with pytest.raises(WireError):
        decode(wide, Side())


@pytest.mark.parametrize(
    "node",
    [
        ["l", [["A", "<f8", [1 << 20], bytes(8 << 20)], *[["r", 1]] * 40]],
        ["l", [["T", "float32", [2 << 20], bytes(8 << 20), False, None, None], *[["r", 1]] * 40]],
        ["rg", 0, 1 << 40, 1],
        ["rg", -(1 << 62), 1 << 62, 1],
    ],
    ids=["array", "tensor", "range", "long range"],
)
def test_few_bytes_cannot_stand_for_many_numbers(node):
    with pytest.raises(WireError):
        decode(node, Side())


def test_deep_nesting_is_refused_quickly():
    data = b"\x91" * 200_000 + b"\xc0"
    with pytest.raises(WireError):
        wire.unpack(b"\x92\xa1x" + data)
    node = None
    for _ in range(900):
        node = ["l", [node]]
    with pytest.raises(WireError):
        decode(node, Side())


def peak_memory() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) << 10
    raise AssertionError("no VmHWM")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
@pytest.mark.parametrize(
    "data",
    [
        b"\xdd\xff\xff\xff\xff",  # a list of four thousand million items
        b"\xdd\x00\x03\x00\x00" * 1000,  # lists in lists, each as long as is allowed
        b"\xc6\xff\xff\xff\xff",  # bytes
        b"\xdf\xff\xff\xff\xff",  # a map
        b"\xc9\xff\xff\xff\xff\x05",  # an extension
        b"\xdd\x00\x00\x00\x40" + (b"\xdd\x00\x03\x00\x00" + b"\x90" * 196608) * 64,  # many empty lists
    ],
    ids=["list", "nested", "bytes", "map", "extension", "empty"],
)
def test_a_large_announcement_takes_no_memory(data):
    before = peak_memory()
    with pytest.raises(WireError):
        wire.unpack(b"\x92\xa1x" + data)
    assert peak_memory() - before < 100 << 20


def test_pickles_are_only_bytes(tmp_path):
    trap = tmp_path / "ran"

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(trap),)

    payload = pickle.dumps(Trap())
    for message in (["x", payload], ["x", msgpack.ExtType(5, payload)], ["x", {"__reduce__": payload}]):
        data = msgpack.packb(message)
        with contextlib.suppress(WireError):
            decode(wire.unpack(data)[1], Side())
    assert not trap.exists()


# ------------------------------------------------------------------------------------------------- channels


@pytest.fixture
def ends():
    left, right = socket.socketpair()
    yield left, right
    left.close()
    right.close()


class Late(Exception):
    pass


def deadline(seconds):
    end = time.monotonic() + seconds

    def tick():
        if time.monotonic() > end:
            raise Late

    return tick


def test_messages_cross_in_order(ends):
    left, right = Channel(ends[0]), Channel(ends[1])
    big = ["big", os.urandom(3_000_000)]
    sender = threading.Thread(target=lambda: [left.send(m) for m in (["a", 1], big, ["c", None])])
    sender.start()
    assert [right.receive() for _ in range(3)] == [["a", 1], big, ["c", None]]
    sender.join()


def test_an_end_is_told(ends):
    reader = Channel(ends[1], tick=deadline(20))
    ends[0].sendall(b"\x00\x00\x00\x09\x92")
    ends[0].close()
    with pytest.raises(Closed):
        reader.receive()
    with pytest.raises(Closed):
        for _ in range(100):
            reader.send(["x", b"0" * 100_000])


@pytest.mark.parametrize("data", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\x00\x00\x00\x01\xc0"])
def test_bad_frames_are_wire_errors(ends, data):
    ends[0].sendall(data)
    with pytest.raises(WireError):
        Channel(ends[1], tick=deadline(20)).receive()


def test_waiting_ends_where_nothing_or_too_little_comes(ends):
    with pytest.raises(Late):
        Channel(ends[1], tick=deadline(0.2)).receive()
    ends[0].sendall(b"\x00\x00\x10\x00" + b"x" * 100)
    with pytest.raises(Late):
        Channel(ends[1], tick=deadline(0.2)).receive()


def test_a_trickle_does_not_hold_the_reader(ends):
    ends[0].sendall(b"\x00\x10\x00\x00")
    stop = threading.Event()

    def trickle():
        while not stop.is_set():
            try:
                ends[0].send(b"x")
            except OSError:
                return
            time.sleep(0.005)

    writer = threading.Thread(target=trickle)
    writer.start()
    try:
        with pytest.raises(Late):
            Channel(ends[1], tick=deadline(0.5)).receive()
    finally:
        stop.set()
        writer.join()


def test_a_reader_that_does_not_read_does_not_hold_the_writer(ends):
    writer = Channel(ends[0], tick=deadline(0.3))
    with pytest.raises(Late):
        for _ in range(1000):
            writer.send(["x", b"0" * 1_000_000])


def test_too_large_a_message_is_not_sent(ends):
    with pytest.raises(ValueError):
        Channel(ends[0], max_bytes=1000).send(["x", b"0" * 2000])


@settings(quick, max_examples=60)
@given(st.binary(min_size=1, max_size=400))
def test_any_stream_of_bytes_ends(data):
    left, right = socket.socketpair()
    with left, right:
        left.sendall(data)
        left.shutdown(socket.SHUT_WR)
        reader = Channel(right, tick=deadline(20))
        with pytest.raises((WireError, Closed)):
            for _ in range(len(data) + 1):
                reader.receive()
