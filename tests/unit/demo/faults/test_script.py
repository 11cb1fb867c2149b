"""Scripts: what can be written, and what is refused in which words."""

import pytest

from btc_core.errors import ConfigError
from demo.faults.answers import ClockOff, RestError
from demo.faults.connections import Stall
from demo.faults.fault import Fault
from demo.faults.script import Script, fault, fault_kinds, parse_duration, read_script


def test_a_script_is_a_list_of_entries(tmp_path):
    """Times in market seconds or with a unit; what is left out has its default."""
    path = tmp_path / "faults.yaml"
    path.write_text(
        """
- {kind: stall, at: 90s, for: 5m, coin: BTC, pongs: false}
- {kind: rest_error, at: 2h, for: 600, status: 503, share: 0.5}
- {kind: clock_off, at: 1.5d, seconds: -20}
"""
    )
    assert read_script(path, seed=9) == Script(
        (
            Stall(at=90, for_=300, coin="BTC", pongs=False),
            RestError(at=7200, for_=600, status=503, share=0.5),
            ClockOff(at=129_600, seconds=-20),
        ),
        9,
    )


def test_a_fault_by_its_name():
    """In Python, with the same checks; ``for_`` is ``for``."""
    assert fault("stall", for_="5m", connection=2) == Stall(for_=300, connection=2)
    with pytest.raises(ConfigError, match=r"unknown kind 'stal'\. Did you mean stall"):
        fault("stal")


def test_kinds_are_faults_that_are_no_bases():
    """Each has a name of its own and a sentence about itself."""
    assert len(fault_kinds()) > 60
    assert {"fault", "frame_fault", "rest_fault", "garbage", "moment"}.isdisjoint(fault_kinds())
    assert all(issubclass(cls, Fault) and cls.__doc__ for cls in fault_kinds().values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {kind: rest_eror}", "entry 1: unknown kind 'rest_eror'. Did you mean rest_error"),
        ("- {kind: stall}\n- {at: 5}", "entry 2: unknown kind ''. Known: abort, "),
        ("- {kind: stall, pong: true}", "entry 1: unknown key 'pong' of stall. Did you mean pongs"),
        ("- {kind: stall, pongs: 3}", "entry 1: stall.pongs: expected `bool`, got `int`"),
        ("- {kind: loss, share: 2}", "entry 1: loss.share: expected `float` <= 1.0"),
        (
            "- {kind: stall, at: soon}",
            "entry 1: stall.at: expected seconds or a text like 90s, 5m, 2h or 4d, found 'soon'",
        ),
        ("- {kind: stall, for: -5}", "entry 1: stall.for: expected `float` >= 0.0"),
        ("- {kind: rest_error, status: 200}", "entry 1: rest_error.status: expected `int` >= 400"),
        ("- {kind: rest_null, request: metta}", "entry 1: rest_null.request: unknown 'metta'. Did you mean meta"),
        ("- {kind: outage, minutes: gone}", "entry 1: outage.minutes: unknown 'gone'. Known: traded, flat, absent."),
        ("- {kind: renamed_pair, coin: '@1', to: B}", "entry 1: renamed_pair.to: expected `str` matching regex"),
        ("- {kind: renamed_pair, to: '@1'}", "entry 1: renamed_pair: renamed_pair needs the coin that is renamed"),
        ("- stall", "entry 1: expected keys and values, found str"),
        ("kind: stall", "expected a list of faults, found dict"),
        ("- {kind: [", "is no YAML"),
    ],
)
def test_what_is_wrong_is_one_sentence(text, message, tmp_path):
    """With the file, the entry and the near misses."""
    path = tmp_path / "faults.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        read_script(path)
    assert message in str(refused.value)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_script_that_is_not_there(tmp_path):
    """The system's own words."""
    with pytest.raises(ConfigError, match=r"none\.yaml: No such file"):
        read_script(tmp_path / "none.yaml")


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("5m", 300), ("2h", 7200), ("4d", 345_600), ("1.5m", 90)])
def test_durations(text, seconds):
    """A number and a unit."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "5 m", "5w", "-5m", "1m30s"])
def test_what_is_no_duration(text):
    """It says what is."""
    with pytest.raises(ConfigError, match="expected seconds or a text like 90s"):
        parse_duration(text)
