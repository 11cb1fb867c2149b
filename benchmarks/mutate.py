"""Frames that the exchange never sends, made of recorded ones: damaged bytes, and JSON that says something else."""

import re
from collections.abc import Callable, Sequence
from random import Random

# Raw JSON, not Python values: what is no JSON, or JSON that only some readers take, belongs here too.
VALUES = (
    *("null", "true", "false", "[]", "{}", "[1]", '{"a":1}', '""', '" "', "0", "-0", "-1", "1", "1.0", "1.5", "60000"),
    *(
        "NaN",
        "Infinity",
        "-Infinity",
        "1e400",
        "-1e400",
        "1e-400",
        "1e-05",
        "1E5",
        "1e999999999999999999999",
        "01",
        "1.",
    ),
    *(".5", "+1", "0x10", "1_000", "9" * 30, "9" * 400, "9" * 5000, "2147483647", "2147483648", "9223372036854775808"),
    *("253402300799999", "253402300800000", "1739530740000.0", "1739530740000.5", "1739530740001", "173953074e4"),
    *('"0"', '"0.0"', '"-0.0"', '"-1"', '"1"', '"2700"', '"2700.0"', '"02700.5"', '"2700."', '".5"', '"+2700.5"'),
    *('"NaN"', '"nan"', '"inf"', '"-inf"', '"Infinity"', '"1e400"', '"1e-05"', '"1E3"', '"1e"', '"0x10"', '"1,5"'),
    *('"2_700.5"', '" 2700.5"', '"2700.5 "', '"2700.5\\n"', '"2700.5\\u0000"', '"２７００"', '"٢٧٠٠"', '"\\uff12700"'),
    *(
        '"²"',
        '"Ⅷ"',
        '"2700.5e0"',
        '"3495670.8399999999"',
        '"9999999999999999999999"',
        '"0.1000000000000000055511151231257827"',
    ),
    *(
        '"ETH"',
        '"BTC"',
        '"eth"',
        '"@142"',
        '"1m"',
        '"1M"',
        '"3m"',
        '"1min"',
        '"\\u0045TH"',
        '"ETH\\u0000"',
        '"\\ud800"',
    ),
)
KEYS = ("t", "T", "s", "i", "o", "c", "h", "l", "v", "n")
PRICES = ("o", "c", "h", "l")
CHANNELS = (
    '"candle"',
    '"candles"',
    '"trades"',
    '"pong"',
    '"error"',
    '"subscriptionResponse"',
    "null",
    "1",
    '"\\u0063andle"',
)
# Bytes that mean something to JSON or to UTF-8; a random one seldom does.
BYTES = b'{}[]",:\\.-+eE0123456789 \t\r\n\x00\x1f\x7f\x80\xbf\xc3\xe2\xef\xbb\xf0\xff_'
DEPTHS = (2, 30, 1500)
_PAIR = re.compile(rb'"(\w+)":("(?:[^"\\]|\\.)*"|[^,{}"]+)')

Pairs = list[tuple[str, str]]


class Base:
    """A recorded candle frame, as bytes and as the raw texts of its candle's keys.

    Attributes:
        frame: The frame as it was received.
        pairs: Key and raw JSON value of everything in ``data``, in the order of the wire.
    """

    def __init__(self, frame: bytes) -> None:
        self.frame = frame
        _, _, data = frame.partition(b'"data":')
        self.pairs: Pairs = [(key.decode(), value.decode()) for key, value in _PAIR.findall(data)]


def mutate(rng: Random, base: Base, other: bytes) -> bytes:
    """Return a frame made of a recorded one; ``other`` is what it may be mixed with."""
    if base.pairs and rng.random() < 0.6:
        frame = _render(rng, _changed(rng, base.pairs))
        return frame if rng.random() < 0.9 else _damaged(rng, frame, other)
    return _damaged(rng, base.frame, other)


def _changed(rng: Random, pairs: Pairs) -> Pairs:
    changed = pairs
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        # A candle that has lost all its keys cannot lose another.
        changed = rng.choice(_CHANGES)(rng, list(changed)) or changed
    return changed


def _damaged(rng: Random, frame: bytes, other: bytes) -> bytes:
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        frame = rng.choice(_DAMAGES)(rng, frame)
    return frame if rng.random() < 0.9 else rng.choice(_MIXTURES)(rng, frame, other)


# Changes of a candle's keys and values


def _set_any(rng: Random, pairs: Pairs) -> Pairs:
    i = rng.randrange(len(pairs))
    pairs[i] = pairs[i][0], rng.choice(VALUES)
    return pairs


def _set_price(rng: Random, pairs: Pairs) -> Pairs:
    """Give one of the decimals another value that is as good as the old one, or nearly."""
    key = rng.choice((*PRICES, "v"))
    number = float(dict(pairs).get(key, '"1"').strip('"') or 1) if _is_plain(dict(pairs).get(key, "")) else 1.0
    value = number * rng.choice((1, 1, 1.0001, 0.9999, 1.3, 0.942, -1, 0, 1e-12, 1e300))
    text = rng.choice(("{}", '"{}"')).format(rng.choice((repr(value), f"{value:e}", f"{value:.1f}", f"{value:.17g}")))
    return [(name, text if name == key else old) for name, old in pairs]


def _swap_values(rng: Random, pairs: Pairs) -> Pairs:
    i, j = rng.randrange(len(pairs)), rng.randrange(len(pairs))
    pairs[i], pairs[j] = (pairs[i][0], pairs[j][1]), (pairs[j][0], pairs[i][1])
    return pairs


def _change_type(rng: Random, pairs: Pairs) -> Pairs:
    i = rng.randrange(len(pairs))
    key, value = pairs[i]
    pairs[i] = key, value.strip('"') if value.startswith('"') else f'"{value}"'
    return pairs


def _remove(rng: Random, pairs: Pairs) -> Pairs:
    del pairs[rng.randrange(len(pairs))]
    return pairs


def _repeat(rng: Random, pairs: Pairs) -> Pairs:
    """Have a key twice, with the old value or another one."""
    key, value = rng.choice(pairs)
    pairs.insert(rng.randrange(len(pairs) + 1), (key, rng.choice((value, rng.choice(VALUES)))))
    return pairs


def _add(rng: Random, pairs: Pairs) -> Pairs:
    pairs.insert(
        rng.randrange(len(pairs) + 1), (rng.choice(("x", "isSnapshot", "", "O", "data", "é")), rng.choice(VALUES))
    )
    return pairs


def _shuffle(rng: Random, pairs: Pairs) -> Pairs:
    rng.shuffle(pairs)
    return pairs


def _rename(rng: Random, pairs: Pairs) -> Pairs:
    i = rng.randrange(len(pairs))
    pairs[i] = rng.choice((*KEYS, "\\u0074", "O", "time")), pairs[i][1]
    return pairs


def _move(rng: Random, pairs: Pairs) -> Pairs:
    """Move the minute: into the past, the future, off the grid; its end with it, or not."""
    shift = rng.choice((-60_000, 60_000, 120_000, 1, -1, 1000, -86_400_000, -400 * 3_600_000, 10**12, 10**15))
    keys = rng.choice((("t",), ("T",), ("t", "T"), ("t", "T")))
    return [
        (
            key,
            str(int(value) + shift)
            if key in keys and value.isascii() and value.isdigit() and len(value) < 20
            else value,
        )
        for key, value in pairs
    ]


def _count(rng: Random, pairs: Pairs) -> Pairs:
    value = rng.choice(("0", "1", "-1", "99999", "2147483647", "2147483648", "1e2", "7.0", "7.5", '"7"'))
    changed = [(key, value if key == "n" else old) for key, old in pairs]
    return [(key, rng.choice(('"0"', '"0.0"', '"5"')) if key == "v" else old) for key, old in changed]


def _trade_on(rng: Random, pairs: Pairs) -> Pairs:
    """Have some trades more: a valid frame that outranks its neighbours."""
    more = rng.randrange(1, 9)
    return [
        (key, str(int(old) + more) if key == "n" and old.isascii() and old.isdigit() and len(old) < 9 else old)
        for key, old in pairs
    ]


_CHANGES: Sequence[Callable[[Random, Pairs], Pairs]] = (
    *(_set_any, _set_any, _set_price, _set_price, _swap_values, _change_type, _remove, _repeat, _add, _shuffle),
    *(_rename, _move, _count, _trade_on),
)


def _render(rng: Random, pairs: Pairs) -> bytes:
    candle = "{" + ",".join(f'"{key}":{value}' for key, value in pairs) + "}"
    data = candle if rng.random() < 0.85 else _nested(rng, candle)
    envelope = f'{{"channel":"candle","data":{data}}}'
    if rng.random() < 0.05:
        channel = rng.choice(CHANNELS)
        envelope = rng.choice(
            (
                f'{{"data":{data},"channel":"candle"}}',
                f'{{"channel":{channel},"data":{data}}}',
                f'{{"channel":"candle","channel":{channel},"data":{data}}}',
                f'{{"channel":"candle","data":{data},"data":null}}',
                f'{{"channel":"candle","data":null,"data":{data},"extra":{rng.choice(VALUES)}}}',
                '{"channel":"candle"}',
                data,
            )
        )
    return envelope.encode("utf-8", "surrogatepass")


def _nested(rng: Random, candle: str) -> str:
    depth = rng.choice(DEPTHS)
    return rng.choice(
        (
            f"[{candle}]",
            f"[{candle},{candle}]",
            f" [ {candle} , null , 1 , {candle} ] ",
            f"[[{candle}]]",
            f'{{"data":{candle}}}',
            "[]",
            "null",
            "[" * depth + candle + "]" * depth,
            '{"a":' * depth + candle + "}" * depth,
            '{"x":' + "[" * depth + "]" * depth + "," + candle[1:],
        )
    )


# Damages of bytes


def _flip(rng: Random, frame: bytes) -> bytes:
    i = rng.randrange(len(frame)) if frame else 0
    return frame[:i] + bytes((frame[i] ^ 1 << rng.randrange(8),)) + frame[i + 1 :] if frame else frame


def _insert(rng: Random, frame: bytes) -> bytes:
    i = rng.randrange(len(frame) + 1)
    return frame[:i] + bytes((rng.choice(BYTES),)) + frame[i:]


def _delete(rng: Random, frame: bytes) -> bytes:
    i = rng.randrange(len(frame) + 1)
    return frame[:i] + frame[i + rng.choice((1, 1, 1, 2, 7)) :]


def _replace(rng: Random, frame: bytes) -> bytes:
    i = rng.randrange(len(frame) + 1)
    return frame[:i] + bytes((rng.choice(BYTES),)) + frame[i + 1 :]


def _truncate(rng: Random, frame: bytes) -> bytes:
    return frame[: rng.randrange(len(frame) + 1)]


def _double(rng: Random, frame: bytes) -> bytes:
    i, j = sorted((rng.randrange(len(frame) + 1), rng.randrange(len(frame) + 1)))
    return frame[:j] + frame[i:]


def _join(rng: Random, frame: bytes, other: bytes) -> bytes:
    return frame + rng.choice((b"", b"\n", b" ", b"\x00", b",")) + other


def _splice(rng: Random, frame: bytes, other: bytes) -> bytes:
    return frame[: rng.randrange(len(frame) + 1)] + other[rng.randrange(len(other) + 1) :]


def _surround(rng: Random, frame: bytes) -> bytes:
    around = rng.choice((b" ", b"\t\r\n", b"\x0b", b"\xc2\xa0", b"\xef\xbb\xbf", b"\x00", b"[", b'"'))
    return rng.choice((around + frame, frame + around, around + frame + around))


def _noise(rng: Random, frame: bytes) -> bytes:
    return frame[: rng.randrange(len(frame) + 1)] + rng.randbytes(rng.randrange(40))


def _encode(rng: Random, frame: bytes) -> bytes:
    return frame.decode("latin-1").encode(rng.choice(("utf-16", "utf-16-le", "utf-32", "utf-8")))


_DAMAGES: Sequence[Callable[[Random, bytes], bytes]] = (
    *(_flip, _flip, _flip, _insert, _insert, _delete, _delete, _replace, _replace),
    *(_truncate, _double, _surround, _noise, _encode),
)
_MIXTURES: Sequence[Callable[[Random, bytes, bytes], bytes]] = (_join, _splice)


def _is_plain(raw: str) -> bool:
    return re.fullmatch(r'"?[0-9]{1,9}(\.[0-9]{1,9})?"?', raw) is not None
