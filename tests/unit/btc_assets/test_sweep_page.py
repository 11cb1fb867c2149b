"""The page of a sweep: what it shows is what was found, it loads nothing, and nothing can be injected into it."""

import dataclasses
import re
from html.parser import HTMLParser

import msgspec
import pytest

from btc_assets.sweep_page import sweep_page
from btc_core.model.backtest import BacktestConfig
from btc_core.sweep_trial import Trial, tried
from btc_core.sweep_verdict import judge, ranking
from btc_core.walk_forward import Step, Walked
from btc_store.sweep_run import Prepared, Sweep, SweepRequest, plan_sweep
from tests.derivation import RULE
from tests.sweeps import WEEK, made_arena

REQUEST = SweepRequest(
    strategy="ma",
    symbols=("BTC",),
    intervals=("1h",),
    parameters={"period": "5:8:1", "side": "long_only,long_short"},
    start=WEEK.start,
    end=WEEK.end,
    config=BacktestConfig(),
)


def found(sort="sharpe", **parameters):
    """Return a sweep over a week of made-up hours."""
    request = msgspec.structs.replace(REQUEST, parameters=parameters or REQUEST.parameters)
    plan, arena = plan_sweep(request), made_arena()
    prepared = Prepared(plan=plan, ranges={}, configs={}, windows=None, fingerprint="f" * 32, known={}, rule=RULE)
    done = [tried(Trial(arena, place, strategy)) for place, strategy in plan.strategies.items()]
    order = ranking(done, sort)
    best = judge(plan.grid, done, order[0], sort)
    return Sweep(prepared=prepared, sort=sort, n_finished=len(done), done=done, order=order, best=best)


def cells(page):
    """Return the texts of a page's heat maps, row by row; that of the best is marked with ``*``."""
    (body,) = re.findall(r'class="months">.*?<tbody>(.*?)</tbody>', page, re.S)
    rows = [re.findall(r"<td([^>]*)>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", body)]
    return [[text + "*" * ("outline" in attributes) for attributes, text in row] for row in rows]


def test_the_map_has_each_trial_s_figure_in_its_place():
    """A row for each side, a column for each window; the best one is in a frame."""
    sweep = found()
    by_place = {trial.place: trial.outcome.sharpe for trial in sweep.done}
    best = sweep.done[sweep.order[0]].place
    said = [
        [f"{by_place[period, side]:,.2f}" + "*" * ((period, side) == best) for period in range(4)] for side in range(2)
    ]
    assert cells(sweep_page(sweep)) == said


def test_one_parameter_is_a_line_too():
    """A map of one row, and a path through every value."""
    page = sweep_page(found(period="5:8:1"))
    assert len(cells(page)) == 1
    (path,) = re.findall(r'<path d="([^"]+)"', page)
    assert len(re.findall(r"[ML]", path)) == 4


def test_without_a_varied_parameter_there_is_no_map():
    """The best, alone, has no neighbours."""
    page = sweep_page(found(period="5"))
    assert 'class="months"' not in page
    assert "It has no neighbours in the grid." in page


def test_it_loads_nothing_and_runs_nothing():
    """No script, no address of another place; every element is closed."""
    page = sweep_page(found())
    assert not re.search(r"<script|https?://|src=|@import|url\(", page)
    opened = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):  # noqa: ARG002  # the parser's own signature
            if tag != "meta":
                opened.append(tag)

        def handle_endtag(self, tag):
            assert opened.pop() == tag

    Reader().feed(page)
    assert opened == []


def test_the_same_sweep_is_the_same_page():
    """To the last byte."""
    assert sweep_page(found()) == sweep_page(found())


def test_names_are_escaped():
    """A symbol or a value is text, whatever is in it."""
    sweep = found()
    request = msgspec.structs.replace(sweep.prepared.plan.request, parameters={"period": "<b>5</b>"})
    prepared = dataclasses.replace(sweep.prepared, plan=dataclasses.replace(sweep.prepared.plan, request=request))
    page = sweep_page(dataclasses.replace(sweep, prepared=prepared))
    assert "<b>5</b>" not in page
    assert "&lt;b&gt;5&lt;/b&gt;" in page


@pytest.mark.parametrize("is_anchored", [False, True])
def test_a_walk_forward_shows_its_windows_and_its_curve(is_anchored):
    """What was chosen, what it earned after that, and the equity of all tests."""
    sweep = found()
    best = sweep.best
    step = Step(
        train_start=WEEK.start, train_end=WEEK.end, test_start=WEEK.start, test_end=WEEK.end, best=best,
        test=best.outcome,
    )  # fmt: skip
    walked = Walked(
        walk="4d/3d",
        is_anchored=is_anchored,
        n_windows=1,
        steps=[step],
        out_of_sample=best.outcome,
        in_sample={"sharpe": 1.25},
        deflated_sharpe=0.5,
        efficiency=None,
        days=[(WEEK.start.date(), 10_000.0), (WEEK.end.date(), 9_000.0)],
    )
    page = sweep_page(dataclasses.replace(sweep, walked=walked))
    assert f"Walk-forward 4d/3d, {'anchored' if is_anchored else 'rolling'}" in page
    assert "in sample the bests had 1.25 in the median. Deflated Sharpe ratio 0.50, efficiency –." in page
    assert "9,000.00" in page
    assert "2024-06-10" in page
