"""What the small questions say where the database is not as it should be; answers are in tests/integration/test_cli."""

import pytest

from btc_assets.commands.queries import fetch
from btc_core.errors import DatabaseError


def test_database_that_is_away():
    """The sentence names the address and the variables."""
    with pytest.raises(DatabaseError, match=r"no usable database at 127.0.0.1:1 .*DB_HOST and DB_PORT"):
        fetch("postgresql://btc_bot@127.0.0.1:1/btc_data", ("stored_series", ()))
