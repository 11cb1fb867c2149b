"""The lane and the accounts: they come behind the decisions, and none is lost."""

from random import Random

import pytest

from benchmarks.one_pass import outcome, query
from btc_core.errors import SymbolError
from btc_store.frames import open_frames
from live.plan import plan_of
from live.work import look
from tests.derivation import made_minutes, store_minutes
from tests.integration.test_paper import SPAN, Dying, config_with
from tests.live_lane import posted

PLAN = plan_of(config_with(start="2021-01-31"))
N_ACCOUNTS = "SELECT count(*) FROM paper_accounts"


def test_decisions_wait_for_no_account_and_none_is_lost(database_url):
    """A look decides; a quiet one follows. Where the lane dies in between, the next one follows, with one report."""
    with open_frames(database_url) as frames:
        store_minutes(frames, "BTC", made_minutes(SPAN, Random(1), n_gaps=0))
        while look(frames, PLAN, now=SPAN.end):
            pass
        assert outcome(frames, "BTC")["decisions"].height > 50
        assert query(frames, N_ACCOUNTS).item() == 0
        with pytest.raises(SymbolError, match="the lane dies"):
            look(Dying(frames, 4), PLAN, now=SPAN.end, is_quiet=True)
        assert query(frames, N_ACCOUNTS).item() == 0
        while look(frames, PLAN, now=SPAN.end, is_quiet=True):
            pass
        assert query(frames, N_ACCOUNTS).item() == 3
        told = [report.asset_key for report in posted(frames) if report.asset_key.startswith("paper/")]
        assert {name: told.count(name) for name in told} == {"paper/ma": 1, "paper/trailing_stop": 1}
