"""Compiled functions: kept on disk where that can be, and working where it cannot."""

import subprocess
import sys
import textwrap

from btc_core.simulator.compiled import compiled


def test_a_division_by_nothing_is_as_in_numpy():
    """No error: it would be asked for before each division."""
    assert compiled(lambda one, other: one / other)(1.0, 0.0) == float("inf")


def test_where_nothing_can_be_written_it_compiles_all_the_same(tmp_path):
    """A read-only file system, and no home to fall back on: the function is compiled in each process."""
    source = tmp_path / "twice.py"
    source.write_text(
        textwrap.dedent("""
            from btc_core.simulator.compiled import compiled

            @compiled
            def twice(x):
                return 2 * x

            print(twice(21))
        """)
    )
    # A file where numba would make its folder; root may write into folders that are read-only.
    (tmp_path / "__pycache__").write_text("")
    environment = {"PYTHONPATH": ".", "HOME": str(source), "XDG_CACHE_HOME": str(source), "PATH": ""}
    done = subprocess.run([sys.executable, str(source)], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr
    assert (tmp_path / "__pycache__").is_file()
