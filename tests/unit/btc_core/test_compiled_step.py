"""Compiled rules: kept only where what was compiled stays true; the bits are tested with ``btc_core.step``."""

import math
import subprocess
import sys
import textwrap

import numpy as np

from btc_core.compiled_step import compiled_way, is_lasting
from btc_core.strategies import trailing_stop

SIZE = 2.0
TABLE = {1: 2.0}


def sized(state, close):
    """Read a number and a function of mathematics."""
    return state, math.sqrt(close) * SIZE, 0.0


def looked_up(state, close):
    """Read what may change behind its back."""
    return state, TABLE[1] * close, 0.0


def test_what_is_shipped_is_kept():
    """What a rule reads are numbers."""
    assert is_lasting(trailing_stop._advance)
    assert is_lasting(sized)
    assert not is_lasting(looked_up)


def test_where_nothing_is_seen_the_exposure_stays():
    """By hand: a row with a NaN is no step."""
    rows = np.array([[4.0], [np.nan], [9.0]])
    assert compiled_way(sized, 1, 1)((0.0,), rows).tolist() == [4.0, 4.0, 6.0]


def test_a_number_from_elsewhere_counts_as_it_is_now(tmp_path):
    """What another module says may change while the rule's own file does not."""
    rule = tmp_path / "rule.py"
    rule.write_text(
        "from numbers_of_mine import SIZE\n\n\ndef advance(state, close):\n    return state, close * SIZE, 0.0\n"
    )
    program = """
        import os, sys
        sys.path.insert(0, sys.argv[1])
        os.utime(sys.argv[1] + "/rule.py", (1, 1))
        import numpy as np
        from rule import advance
        from btc_core.compiled_step import compiled_way
        print(compiled_way(advance, 1, 1)((0.0,), np.ones((1, 1)))[0])
    """
    for now in (1.0, 3.0):
        (tmp_path / "numbers_of_mine.py").write_text(f"SIZE = {now}\n")
        command = [sys.executable, "-B", "-c", textwrap.dedent(program), str(tmp_path)]
        said = subprocess.run(command, capture_output=True, text=True, check=True)
        assert said.stdout == f"{now}\n"
