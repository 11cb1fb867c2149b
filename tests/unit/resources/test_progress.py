"""Progress of a run, for whoever watches."""

from resources.progress import Progress


def test_nobody_has_to_watch():
    """Without a watcher a run says its progress to nobody."""
    Progress().advance(1)


def test_a_watcher_hears_every_step():
    """The command line's bar advances by what it is told."""
    heard = []
    Progress(heard.append).advance(1)
    assert heard == [1]
