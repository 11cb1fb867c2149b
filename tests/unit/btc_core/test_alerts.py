"""Whom to tell and when: quiet hours over midnight and the end of summer time, the digest's hour, routes, waits."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from btc_core.alerts import (
    KINDS,
    RETRY_MAX,
    RETRY_MIN,
    SEVERITY_OF,
    AlertsConfig,
    QuietConfig,
    digest_day,
    is_quiet,
    next_try,
    severity_of,
    tags_of,
    unknown_tags,
    zone_of,
)
from btc_core.config import parse_config
from btc_core.errors import ConfigError
from tests.conftest import ROOT

TREE = {"symbols": {"BTC": {}}, "intervals": ["3m"], "history_start": "2024-01-01"}


def config_of(**alerts):
    """Return the section as the whole configuration is read."""
    return parse_config({**TREE, "alerts": alerts}).alerts


@pytest.mark.parametrize(
    ("quiet", "zone", "at", "expected"),
    [
        ({}, "UTC", "03:00", False),
        ({"start": "22:00", "end": "07:00"}, "UTC", "21:59", False),
        ({"start": "22:00", "end": "07:00"}, "UTC", "22:00", True),
        ({"start": "22:00", "end": "07:00"}, "UTC", "06:59", True),
        ({"start": "22:00", "end": "07:00"}, "UTC", "07:00", False),
        ({"start": "22:00", "end": "07:00"}, "Europe/Berlin", "20:30", True),
        ({"start": "12:00", "end": "13:00"}, "UTC", "12:59", True),
        ({"start": "12:00", "end": "13:00"}, "UTC", "13:00", False),
        ({"start": "12:00", "end": "12:00"}, "UTC", "12:00", False),
        # As YAML reads 22:30 without quotes.
        ({"start": 1350, "end": "07:00"}, "UTC", "22:29", False),
        ({"start": 1350, "end": "07:00"}, "UTC", "22:30", True),
    ],
)
def test_quiet_hours(quiet, zone, at, expected):
    """Half-open, over midnight, in their own time zone (Berlin in summer is two hours ahead)."""
    hour, minute = map(int, at.split(":"))
    assert is_quiet(config_of(quiet=quiet, time_zone=zone), datetime(2025, 7, 1, hour, minute, tzinfo=UTC)) is expected


def test_a_digest_is_due_once_a_day_also_when_the_clocks_change():
    """A look every ten minutes of a year in Berlin, whose spring night lacks the hour."""
    config, start = AlertsConfig(digest="02:30", time_zone="Europe/Berlin"), datetime(2025, 1, 1, tzinfo=UTC)
    days = [digest_day(config, start + n * timedelta(minutes=10)) for n in range(365 * 144)]
    assert len({day for day in days if day}) == 365
    assert "2025-03-30" in days
    assert digest_day(AlertsConfig(digest=None), start) is None


def test_routes():
    """The kind's own tags, by severity where it says so; the next kind's; the default; else all."""
    config = config_of(
        channels={"default": ["mail"], "gap": {"error": ["phone"], "warning": []}, "decision": [], "restored": ["log"]}
    )
    assert tags_of(config, ["gap"], "error") == ("phone",)
    assert tags_of(config, ["gap"], "warning") == ()
    assert tags_of(config, ["gap"], "info") == ()
    assert tags_of(config, ["decision"], "info") == ()
    assert tags_of(config, ["restored", "gap"], "error") == ("log",)
    assert tags_of(config, ["disk"], "error") == ("mail",)
    assert tags_of(AlertsConfig(), ["disk"], "error") is None


def test_tags_that_no_channel_has_are_named():
    """With the near miss."""
    config = config_of(channels={"gap": ["phnoe"], "disk": {"error": ["mail"]}})
    assert unknown_tags(config, ["phone", "mail"]) == [
        "alerts.channels.gap names the channel 'phnoe', which ALERT_URLS has not. Did you mean phone?"
    ]


def test_severities():
    """A gap wakes nobody, unless somebody says so; the others are as bad as they were found."""
    assert severity_of(AlertsConfig(), "gap", "error") == "warning"
    assert severity_of(config_of(severity={"gap": "error"}), "gap", "warning") == "error"
    assert severity_of(config_of(severity={"decision": "error"}), "decision", "info") == "error"
    assert severity_of(AlertsConfig(), "parity", "error") == "error"


def test_waits_grow_to_a_cap():
    """Doubled each time, and never beyond half an hour, however long it fails."""
    now = datetime(2025, 1, 1, tzinfo=UTC)
    waits = [next_try(now, n) - now for n in range(1, 100)]
    assert waits[:4] == [RETRY_MIN, 2 * RETRY_MIN, 4 * RETRY_MIN, 8 * RETRY_MIN]
    assert waits[-1] == RETRY_MAX
    assert waits == sorted(waits)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"channels": {"gapp": []}}, "alerts: unknown kind 'gapp'. Did you mean gap?"),
        ({"channels": {"gap": {"eror": []}}}, "alerts: unknown severity 'eror'. Did you mean error?"),
        ({"severity": {"gap": "bad"}}, "alerts: unknown severity 'bad'."),
        ({"quiet": {"start": "22:00"}}, "alerts.quiet: expected start and end, found one of them"),
        ({"quiet": {"start": "25:00", "end": "07:00"}}, "start: expected a time of day such as 08:00, found '25:00'"),
        ({"quiet": {"begin": "22:00"}}, "unknown key 'alerts.quiet.begin'"),
        ({"digest": "8"}, "digest: expected a time of day such as 08:00, found '8'"),
        ({"disk_free": 10}, "disk_free is a fraction from 0 to below 1, found 10"),
        ({"calm_minutes": -1}, "calm_minutes must be 0 or above, found -1"),
        ({"dashboard": "nas:8000"}, "dashboard: expected http://host:port or https://host, found 'nas:8000'"),
        ({"chanels": {}}, "unknown key 'alerts.chanels'. Did you mean channels?"),
    ],
)
def test_what_cannot_be_meant_is_refused(wrong, said):
    """The key, what was expected, what was found."""
    with pytest.raises(ConfigError) as raised:
        config_of(**wrong)
    assert said in str(raised.value)


def test_a_time_zone_that_does_not_exist_is_said_by_who_sends():
    """And not by the collector, whose image has no zones: the section itself is taken."""
    config = config_of(time_zone="Europe/Berln", quiet={})
    with pytest.raises(ConfigError, match="expected a name such as Europe/Berlin, found 'Europe/Berln'"):
        zone_of(config)
    assert zone_of(AlertsConfig(quiet=QuietConfig())) is UTC


def test_the_page_and_the_file_show_every_rule_with_its_default():
    """What is left out is as it is shown; the page's example can be meant."""
    page = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
    shown, example = (yaml.safe_load(text)["alerts"] for text in re.findall(r"```yaml\n(alerts:.*?)```", page, re.S))
    assert set(shown) == set(AlertsConfig.__struct_fields__)
    assert shown.pop("severity") == dict(SEVERITY_OF)
    assert config_of(**shown) == AlertsConfig()
    assert config_of(**yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["alerts"]) == AlertsConfig()
    assert unknown_tags(config_of(**example), ["mail", "phone"]) == []
    kinds = re.findall(r"^\| `([a-z_]+)` \| .* \| .* \| ", page, re.M)
    assert tuple(kinds) == KINDS
