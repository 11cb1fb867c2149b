"""The command line in this process, with settings of its own and no database behind them."""

import pytest
from click.testing import CliRunner

from btc_assets.cli import main

# Port 1 is nobody's: what needs the database is refused at once.
NOWHERE = "postgresql://btc_bot@127.0.0.1:1/btc_data"


@pytest.fixture
def btc(settings_for):
    """A function that runs ``btc`` with arguments and returns click's result."""

    def run(*args, url=NOWHERE, **environ):
        return CliRunner().invoke(main, [str(arg) for arg in args], obj=settings_for(url, **environ))

    return run
