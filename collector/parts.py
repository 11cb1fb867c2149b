"""The collector's parts as the configuration wants them: from seconds and sizes to deadlines, plans and buffers."""

from datetime import timedelta

from btc_core.config import CollectorConfig
from btc_core.model.clock import ClockScale
from btc_store.settings import Settings
from collector.buffer import Buffer
from collector.clock import ClockWatch
from collector.exchange import Exchange
from collector.ledger import Plan
from collector.link import Timing
from collector.session import Session

# Least real seconds. A network and a busy machine do not become faster because the market's clock does.
NETWORK_SECONDS = 3.0
PING_SECONDS = 0.25
# Market seconds: messages are read so far apart. Most of what one costs is to be woken for it.
GULP_SECONDS = 0.05
# Market seconds: a connection is made, and a message is taken, within this time.
CONNECT_SECONDS = 10.0
EARLY_SECONDS = 0.25


def timing_of(config: CollectorConfig, clock: ClockScale) -> Timing:
    """Return the session's deadlines in market time; what waits for a network is never below its real minimum."""

    def at_least(market_seconds: float, real_seconds: float) -> timedelta:
        return timedelta(seconds=max(market_seconds, real_seconds * clock.rate))

    return Timing(
        close_after=timedelta(seconds=config.close_after_seconds),
        ping=at_least(config.ping_seconds, PING_SECONDS),
        pong=at_least(config.pong_seconds, NETWORK_SECONDS),
        silence=at_least(config.silence_seconds, NETWORK_SECONDS),
        ack=at_least(config.ack_seconds, NETWORK_SECONDS),
        early=at_least(Timing().early.total_seconds(), EARLY_SECONDS),
        silent_coin=at_least(config.silent_coin_seconds, EARLY_SECONDS),
        quarantine=timedelta(seconds=config.quarantine_seconds),
    )


def network_seconds_of(clock: ClockScale) -> float:
    """Return how long the network may take for anything, in real seconds."""
    return max(CONNECT_SECONDS / clock.rate, NETWORK_SECONDS)


def plan_of(config: CollectorConfig, exchange: Exchange) -> Plan:
    """Return when history is asked for, as the configuration says."""
    return Plan(
        depth=exchange.history_depth,
        window=exchange.history_window,
        confirm_after=timedelta(seconds=config.confirm_after_seconds),
        confirm_again=timedelta(seconds=config.confirm_again_seconds),
        hourly_reach=timedelta(hours=config.hourly_check_hours),
        daily_reach=timedelta(hours=config.daily_check_hours),
        retries=tuple(timedelta(seconds=seconds) for seconds in config.retry_seconds),
        no_trade_until=timedelta(hours=config.no_trade_hours),
        reach=timedelta(hours=config.daily_check_hours),
    )


def session_of(settings: Settings, exchange: Exchange, plan: Plan) -> Session:
    """Return a session that follows nothing yet."""
    config = settings.config.collector
    return Session(
        exchange,
        timing_of(config, settings.clock),
        plan,
        rotate_after=timedelta(seconds=config.rotate_seconds),
        rotate_jitter=timedelta(seconds=config.rotate_jitter_seconds),
        always_trades=config.always_trades,
    )


def buffer_of(config: CollectorConfig) -> Buffer:
    """Return an empty buffer of the configured size."""
    return Buffer(
        capacity=config.buffer_candles,
        flush_candles=config.flush_candles,
        flush_after=timedelta(seconds=config.flush_seconds),
    )


def watch_of(config: CollectorConfig) -> ClockWatch:
    """Return a watch over our clock with the configured tolerances."""
    return ClockWatch(
        alarm=timedelta(seconds=config.clock_alarm_seconds),
        stop=timedelta(seconds=config.clock_stop_seconds),
        every=timedelta(seconds=config.clock_check_seconds),
    )
