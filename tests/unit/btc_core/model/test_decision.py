"""The words of a decision."""

from btc_core.model.decision import Signal


def test_signals_are_the_words_of_the_outward_contract():
    """Tables and API hold on to these five, spelled so."""
    assert [str(signal) for signal in Signal] == ["OPEN_LONG", "OPEN_SHORT", "CLOSE_LONG", "CLOSE_SHORT", "HOLD"]
