"""The list of endpoints loads nothing from elsewhere."""

import re

from api.routes.dashboard import FOLDER
from api.routes.docs import docs


async def test_everything_it_loads_is_ours():
    """No script in the page itself, and every file is there."""
    page = (await docs()).body.decode()
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(loaded) == 3
    for path in loaded:
        assert (FOLDER / path.removeprefix("/dashboard/")).is_file(), path
    assert not re.search(r"<script[^>]*>[^<]", page)
