"""Lines of the story, where there is no terminal."""

import io

from demo.screen import Screen
from demo.story import Line


def test_lines_are_plain_without_a_terminal():
    """Time, subject, text; no colours, and a long line stays one line."""
    stream = io.StringIO()
    screen = Screen(stream)
    screen.title("The demo")
    screen.say(Line("1m candles", "x" * 200), Line("", "more"))
    screen.quote(["\x1b[32mgreen\x1b[0m [not markup]"])
    screen.fault("broken")
    title, first, second, quoted, fault = stream.getvalue().splitlines()
    assert (title, fault) == ("The demo", "broken")
    assert first.split() == ["0.0", "s", "1m", "candles", "x" * 200]
    assert second.index("more") == first.index("xxx")
    assert quoted == "    green [not markup]"
