"""A day is scaled from the hours that were measured; what follows real time from the real ones."""

from benchmarks.growth import MEASURED_HOURS, Size, _a_day


def test_a_day_is_what_came_scaled_to_twenty_four_hours():
    """Only what came counts; a table that was not there before came whole."""
    assert _a_day(Size(100, 8000), Size(160, 20_000), "public.candles", 0.1) == Size(120, 24_000)
    assert _a_day(None, Size(6, 600), "public.outbox", 0.1) == Size(12, 1200)
    assert MEASURED_HOURS == 12


def test_ticks_follow_real_time():
    """Dagster looks at its sensors every five real seconds, however fast the market goes."""
    assert _a_day(Size(0, 0), Size(12, 1200), "dagster.job_ticks", 0.1) == Size(2880, 288_000)
