"""What is told while the processes work: facts in, lines out, each once and as it happens. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from btc_core.model.timerange import floor_minute, format_time
from demo.progress import EndedBacktest, Facts, Said

# So many decisions at once are a batch from history: their number is told, and the last change.
FEW = 4
HOLD = "HOLD"
# In a strategy's snapshot, beside the indicators it saw.
_NO_INDICATORS = ("close", "minutes", "expected_minutes", "no_trade_minutes")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the story: what it is about, and what there is to say."""

    subject: str
    text: str


class Story:
    """Remembers what was told.

    Args:
        strategy: The strategy whose decisions are told.
    """

    def __init__(self, strategy: str) -> None:
        self._strategy = strategy
        self._told: set[str] = set()
        self._newest: dict[str, tuple[datetime, int]] = {}

    @property
    def has_decisions(self) -> bool:
        """Whether a decision was told."""
        return bool(self._newest)

    def tell(self, facts: Facts) -> list[Line]:
        """Return what is new."""
        return [*self._candles(facts), *self._values(facts), *self._decisions(facts), *self._backtests(facts)]

    def _candles(self, facts: Facts) -> Iterator[Line]:
        for interval, held in facts.candles.items():
            if self._is_new(f"candles {interval}"):
                span = f"{format_time(held.first)} to {format_time(held.last)}"
                yield Line(f"{interval} candles", f"the first {held.n:,}: {span}")

    def _values(self, facts: Facts) -> Iterator[Line]:
        for value in facts.values:
            if self._is_new(f"value {value.interval} {value.name}"):
                at = f"{value.value:,.1f} at {format_time(value.time)}"
                yield Line(f"{value.interval} {value.name}", f"the first {value.n:,} values, the last {at}")

    def _decisions(self, facts: Facts) -> Iterator[Line]:
        by_interval: dict[str, list[Said]] = {}
        for said in facts.said:
            if said.interval not in self._newest or (said.time, said.seq) > self._newest[said.interval]:
                by_interval.setdefault(said.interval, []).append(said)
        for interval, new in by_interval.items():
            which = f"{len(new):,} more" if interval in self._newest else f"the first {len(new):,}"
            self._newest[interval] = (new[-1].time, new[-1].seq)
            changes = [said for said in new if said.signal != HOLD]
            if len(new) > FEW:
                text = f"{self._strategy}: {which}, {len(changes):,} of them change the position"
                yield Line(f"{interval} decisions", f"{text}; the last change:" if changes else text)
                if changes:
                    yield Line("", describe(changes[-1]))
            else:
                for said in changes:
                    yield Line(f"{interval} decision", describe(said))

    def _backtests(self, facts: Facts) -> Iterator[Line]:
        for tested in facts.tested:
            if self._is_new(f"backtest {tested.id}"):
                yield Line(f"{tested.interval} backtest", figures(tested))

    def _is_new(self, what: str) -> bool:
        if what in self._told:
            return False
        self._told.add(what)
        return True


def describe(said: Said) -> str:
    """Return a decision as a line."""
    seen = ", ".join(
        f"{name} {value:,.1f}"
        for name, value in said.snapshot.items()
        if isinstance(value, int | float) and name not in _NO_INDICATORS
    )
    return (
        f"{format_time(said.time)}  {said.signal:<11}  price {said.price:,.0f}  {seen}  exposure {said.exposure:+.2f}"
    )


def figures(tested: EndedBacktest) -> str:
    """Return the figures of a backtest as a line."""
    if tested.status != "finished":
        return f"failed: {tested.error or 'no reason given'}"
    results = tested.results
    days = (tested.end - tested.start).total_seconds() / 86_400
    return (
        f"{days:.1f} days: return {_shown(results, 'total_return', '{:+.2%}')}, "
        f"{_shown(results, 'n_trades', '{:.0f}')} trades, "
        f"max drawdown {_shown(results, 'max_drawdown', '{:.2%}')}, Sharpe {_shown(results, 'sharpe', '{:.2f}')}"
    )


def heartbeat(facts: Facts, now: datetime) -> Line:
    """Return the line of each minute: the market's time and how much there is."""
    counts = ", ".join(f"{held.n:,} of {interval}" for interval, held in facts.candles.items())
    return Line("still running", f"market time {format_time(floor_minute(now))}; candles: {counts}")


def _shown(results: Mapping[str, float | str | None], name: str, pattern: str) -> str:
    value = results.get(name)
    return "–" if value is None else pattern.format(value)
