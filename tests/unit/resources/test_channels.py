"""The addresses of ``ALERT_URLS``: how they are told apart, what is said of a wrong one, and never a secret."""

import re
import subprocess
import sys

import pytest

from resources.channels import open_channels, parse_channels, without_secrets
from tests.conftest import ROOT
from tests.sinks import open_sink


def named(text):
    """Return names, tags and addresses."""
    channels, faults = parse_channels(text)
    assert faults == []
    return [(channel.name, channel.tag, channel.url) for channel in channels]


@pytest.mark.parametrize(
    "text",
    [
        "tgram://1:a/2 phone=discord://b/c",
        "tgram://1:a/2,phone=discord://b/c",
        " tgram://1:a/2 ,\n phone=discord://b/c, ",
        "tgram://1:a/2\nphone=discord://b/c\n",
    ],
)
def test_addresses_are_apart_by_commas_spaces_or_lines(text):
    """With a tag of their own, or their service's name."""
    assert named(text) == [("tgram", "tgram", "tgram://1:a/2"), ("phone", "phone", "discord://b/c")]


def test_an_address_may_hold_commas_and_equals():
    """Apart they are only where another address follows."""
    url = "mailtos://u:p@host?to=a@b.org,c@d.org&from=x"
    assert named(f"me={url},json://h/") == [("me", "me", url), ("json", "json", "json://h/")]


def test_channels_of_one_tag_are_numbered():
    """So each has its own memory of what it was sent."""
    assert [name for name, _, _ in named("a=json://x/ a=json://y/ json://z/ a=json://w/")] == [
        "a",
        "a-2",
        "json",
        "a-3",
    ]


def test_what_is_no_address_is_named_by_its_place():
    """Nothing of it is shown: it may be a torn secret."""
    channels, faults = parse_channels("json://x/ correct-horse json://y/")
    assert [channel.name for channel in channels] == ["json", "json-2"]
    assert faults == ["ALERT_URLS: expected an address such as tgram://…, found none in the second entry"]


def test_a_wrong_address_is_named_without_its_secret():
    """A service that does not exist, and one whose address lacks a part; the others are opened."""
    text = "tgrm://123456789:correct-horse/1 a=tgram://battery-staple json://127.0.0.1:9/ b=zzzz://x"
    opened, faults = open_channels(parse_channels(text)[0])
    assert [each.channel.name for each in opened] == ["json"]
    assert faults[0].startswith(
        "ALERT_URLS: the channel 'tgrm' (tgrm://…): apprise knows no such service. Did you mean"
    )
    assert faults[1].startswith("ALERT_URLS: the channel 'a' (tgram://…): apprise cannot use it: a part of the address")
    assert faults[2].endswith("apprise knows no such service.")
    assert not any("correct" in fault or "battery" in fault for fault in faults)
    assert "127.0.0.1" not in repr(opened[0])


def test_no_part_of_an_address_is_left_in_a_text():
    """Users, passwords, tokens, hosts: whatever is long enough to be one."""
    url = "mailtos://somebody:password@smtp.example.org/x?to=other@example.net&k=v"
    text = without_secrets("password refused at smtp.example.org\nfor somebody, other and v (550)", url)
    assert text == "… refused at … for …, other and v (550)"
    assert len(without_secrets("x" * 5000, url)) == 200


def test_a_message_is_taken_refused_or_not_answered():
    """Each in a word; one that hangs is not waited for longer than it is given, nor asked again meanwhile."""
    with open_sink() as sink:
        (channel,), _ = open_channels(parse_channels(sink.url)[0])
        assert channel.send("a", "b\nc", tone="warning", seconds=5) is None
        assert sink.taken == [("a", "b\nc", "warning")]
        sink.statuses.append(500)
        assert "error=500" in channel.send("a", "b", tone="info", seconds=5)
        sink.hangs.set()
        assert channel.send("a", "b", tone="info", seconds=0.2) == "no answer within 0.2 s"
        assert channel.send("a", "b", tone="info", seconds=0.2) == "an earlier message is still under way"
        assert sink.asked == 3
    (nobody,), _ = open_channels(parse_channels("json://127.0.0.1:1/")[0])
    assert "connection" in nobody.send("a", "b", tone="info", seconds=5).lower()


def test_apprise_is_imported_by_who_sends_alone():
    """Every run of Dagster reads the definitions: it must not pay for what it never uses."""
    code = "import sys, btc_assets.definitions, btc_assets.commands.doctor; print('apprise' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("file", ["docs/alerts.md", ".env.example"])
def test_the_addresses_of_the_page_can_be_used(file):
    """As examples, with everything in them that their service wants."""
    text = (ROOT / file).read_text(encoding="utf-8")
    examples = re.findall(r"`((?:[a-z]+=)?[a-z]+://[^`…]+)`|ALERT_URLS=\"([^\"]+)\"", text)
    channels, faults = parse_channels(" ".join(url or urls for url, urls in examples))
    opened, unusable = open_channels([each for each in channels if each.service not in ("http", "https")])
    assert faults == unusable == []
    assert len(opened) >= 2
