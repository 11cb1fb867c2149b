"""Ours beside the peers: medians and ratios of one run, and a sentence for a peer that is not there."""

import pytest

from benchmarks.peers import compare, environments
from benchmarks.peers.compare import Answer, figures
from benchmarks.processes import Spent


def answer(lasted: float, memory_mb: float, **said: object) -> Answer:
    """Return what a process took and said."""
    return Answer(Spent(lasted, lasted, 9999.0), {"memory_mb": memory_mb, "n_trades": 3, **said})


def test_a_ratio_is_of_medians_and_of_the_programs_own_memory():
    """One slow repetition in three changes nothing, and what started the processes counts for none of them."""
    ours = [answer(seconds, 100.0) for seconds in (1.0, 9.0, 1.0)]
    theirs = [answer(seconds, 400.0) for seconds in (3.0, 3.0, 0.1)]
    (figure,) = figures("whole", {"ours": ours, "vectorbt": theirs}, {})
    assert (figure.value, figure.beside["ratio"], figure.beside["memory_ratio"]) == (1.0, 3.0, 4.0)
    assert figure.beside["ours"]["n_trades"] == figure.beside["vectorbt"]["n_trades"]


def test_what_a_process_measured_itself_counts_before_the_whole_of_it():
    """The simulation alone is timed inside, after what loads and compiles."""
    assert answer(8.0, 100.0, seconds=[0.2, 0.9, 0.3]).seconds == 0.3
    assert answer(8.0, 100.0).seconds == 8.0


def test_a_peer_that_cannot_be_installed_is_left_out_with_its_reason(monkeypatch, tmp_path):
    """Our figures are there all the same."""

    def missing(peer: str):
        raise environments.NoPeerError(f"no {peer} here")

    monkeypatch.setattr(compare, "python_of", missing)
    monkeypatch.setattr(compare, "answer_of", lambda *_: answer(1.0, 100.0))
    found = list(compare.measure(tmp_path / "minutes.parquet", tmp_path))
    assert len(found) == 5
    assert {figure.beside["reason"] for figure in found} == {"no vectorbt here", "no backtesting here"}


@pytest.mark.parametrize("peer", compare.PEERS)
def test_every_pin_is_exact(peer):
    """A figure of another release would be another figure."""
    lines = environments.requirements_of(peer).read_text(encoding="utf-8").splitlines()
    assert any(line.startswith(f"{peer}==") for line in lines)
    assert all("==" in line for line in lines if line and not line.startswith("#"))
