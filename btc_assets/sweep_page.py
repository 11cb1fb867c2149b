"""The page of a sweep: one HTML file without network or script, in the style of a backtest's report.

Heat maps of each market, the best with its neighbours, and of a walk-forward the windows and their one curve.
"""

from collections.abc import Sequence

import msgspec

from btc_assets.report.figures import UNDEFINED
from btc_assets.report.html import Html, document, element, table
from btc_core.model.timerange import format_time
from btc_core.parameters import Number
from btc_core.sweep_heat import Heat, heat_of
from btc_core.sweep_trial import Arena, Trial
from btc_core.sweep_verdict import figure_of, neighbours_of
from btc_core.version import CODE_VERSION
from btc_core.walk_forward import Step, Walked
from btc_store.sweep_run import Sweep

# More cells are too small to be read, more markets too many to be looked at.
MOST_CELLS, MOST_MARKETS, MOST_TRIALS = (40, 24), 24, 30
_WIDTH, _HEIGHT, _MARGIN, _TOP = 700.0, 220.0, 40.0, 16.0


def sweep_page(found: Sweep) -> str:
    """Return a page about a sweep of which something is finished; the same sweep gives the same bytes."""
    request = found.prepared.plan.request
    title = f"sweep of {request.strategy} on {', '.join(request.symbols)}, {', '.join(request.intervals)}"
    walk = [] if found.walked is None else [_walk(found, found.walked)]
    main = element("main", *walk, _best(found), *_markets(found))
    return document(title, _header(found, title), main, _footer())


def _header(found: Sweep, title: str) -> Html:
    request, span = found.prepared.plan.request, found.done[0].arena.market.range_
    tried = ", ".join(f"{name} {text}" for name, text in request.parameters.items())
    config = msgspec.to_builtins(request.config)
    facts = {
        "Tried": tried or "the defaults",
        "Drawn" if request.draw else "Trials": f"{found.n_finished:,} of {found.prepared.n_trials:,}",
        "Range of the maps": f"{format_time(span.start)} to {format_time(span.end)}",
        "Best by": found.sort.replace("_", " "),
        "Code version": CODE_VERSION,
        "Fingerprint": found.prepared.fingerprint,
    }
    rules = {name: UNDEFINED if value is None else str(value) for name, value in config.items()}
    terms = [[element("div", element("dt", n), element("dd", t)) for n, t in each.items()] for each in (facts, rules)]
    return element(
        "header",
        element("h1", title),
        element("dl", *terms[0], class_="facts"),
        element("details", element("summary", "Configuration"), element("dl", *terms[1], class_="facts")),
    )


def _footer() -> Html:
    return element("footer", element("p", "docs/howto/sweep.md says how to read this page."))


def _best(found: Sweep) -> Html:
    """Return the best trial, what speaks for it, its neighbours, and those that follow."""
    best, plan, at = found.best, found.prepared.plan, found.order[0]
    assert best is not None, "something is finished"
    beside = neighbours_of(plan.grid, found.done, at)
    luck = f"Deflated Sharpe ratio of the best: {_figure(best.deflated_sharpe)}, the probability that it is more than "
    stable = (
        f"Its {best.n_neighbours:,} neighbours have a median of {_figure(best.neighbours_median)}; its own is "
        f"{_figure(figure_of(found.done[at], found.sort))}."
        if beside
        else "It has no neighbours in the grid."
    )
    parts = [element("h2", "The best"), element("p", f"{luck}luck. {stable}", class_="confidence")]
    parts.append(_trials(found, [found.done[i] for i in found.order[:MOST_TRIALS]]))
    if beside:
        parts += [element("h3", "Neighbours of the best"), _trials(found, beside[:MOST_TRIALS])]
    return element("section", *parts)


def _trials(found: Sweep, trials: Sequence[Trial]) -> Html:
    names = [axis.name for axis in found.prepared.plan.grid.axes]
    shown = list(dict.fromkeys([found.sort, "total_return", "sharpe", "max_drawdown", "n_trades"]))
    rows = [
        [
            f"{trial.arena.symbol} {trial.arena.interval}",
            *(f"{trial.strategy.parameters[name]:g}" for name in names),
            *(_figure(figure_of(trial, name)) for name in shown),
        ]
        for trial in trials
    ]
    return table(["", *names, *(name.replace("_", " ") for name in shown)], rows)


def _markets(found: Sweep) -> list[Html]:
    """Return a map for each market, that of the best one first."""
    best = found.done[found.order[0]]
    arenas: dict[int, Arena] = {id(best.arena): best.arena} | {id(trial.arena): trial.arena for trial in found.done}
    return [_market(found, best, arena) for arena in list(arenas.values())[:MOST_MARKETS]]


def _market(found: Sweep, best: Trial, arena: Arena) -> Html:
    grid, sort = found.prepared.plan.grid, found.sort
    own = next(found.done[i] for i in found.order if found.done[i].arena is arena) if arena is not best.arena else best
    heat = heat_of(grid, found.done, own, sort, most=MOST_CELLS, arena=arena)
    if heat is None or all(value is None for row in heat.values for value in row):
        return Html()
    said = f"The {sort.replace('_', ' ')} of each place; the best is in a frame."
    said += " Each cell is the median over the other parameters." if heat.n_behind else ""
    drawn = [_line(heat)] if heat.down is None else []
    return element(
        "section",
        element("h2", f"{arena.symbol}, {arena.interval} candles"),
        *drawn,
        _map(heat),
        element("p", f"{said} Green is better than the middle, red is worse.", class_="note"),
        class_="interval",
    )


def _map(heat: Heat) -> Html:
    """Return the heat map as a table: it can be read, searched and printed."""
    corner = heat.across if heat.down is None else f"{heat.down} ↓ {heat.across} →"
    rows: list[list[str]] = []
    for i, row in enumerate(heat.values):
        cells = [_cell(heat, value, is_best=heat.best == (i, j)) for j, value in enumerate(row)]
        rows.append([heat.rows[i] or heat.sort.replace("_", " "), *cells])
    return table([corner, *heat.columns], rows, class_="months")


def _cell(heat: Heat, value: float | None, *, is_best: bool) -> Html:
    if value is None:
        return element("td", UNDEFINED)
    warmth = heat.warmth(value)
    style = f"--share:{round(abs(warmth) * 70)}%" + (";outline:2px solid var(--ink)" if is_best else "")
    return element("td", _figure(value), class_="up" if warmth >= 0 else "down", style=style)


def _line(heat: Heat) -> Html:
    """Draw a figure over one parameter."""
    return _curve([f"{heat.across} {heat.columns[0]}", *heat.columns[1:]], heat.values[0], at=heat.best[1])


def _curve(names: Sequence[str], values: Sequence[float | None], *, at: int | None) -> Html:
    """Draw values as a line, broken where one is undefined; ``at`` has a dot."""
    known = [value for value in values if value is not None]
    low, high = min(known), max(known)
    step, reach = (_WIDTH - 2 * _MARGIN) / max(1, len(values) - 1), high - low or 1.0
    path, is_down, dots = "", False, list[Html]()
    for i, value in enumerate(values):
        if value is not None:
            x, y = 2 * _MARGIN + i * step, _TOP + (high - value) / reach * (_HEIGHT - 3 * _TOP)
            path += f"{'L' if is_down else 'M'}{x:.1f} {y:.1f}"
            if i == at or len(known) == 1:
                dots.append(element("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r="5", fill="var(--main)"))
        is_down = value is not None
    texts = [
        element("text", text, x=f"{x:g}", y=f"{y:g}", fill="var(--faint)", text_anchor=anchor, font_size="12")
        for x, y, anchor, text in (
            (2 * _MARGIN, _HEIGHT - _TOP / 2, "start", names[0]),
            (_WIDTH, _HEIGHT - _TOP / 2, "end", names[-1]),
            (0, _TOP + 4, "start", _figure(high)),
            (0, _HEIGHT - 2 * _TOP + 4, "start", _figure(low)),
        )
    ]
    line = element("path", d=path, fill="none", stroke="var(--main)", stroke_width="1.5")
    box = f"0 0 {_WIDTH + 10:g} {_HEIGHT:g}"
    drawn = element("svg", line, *dots, *texts, viewBox=box, role="img", aria_label=names[0], class_="chart")
    return element("figure", element("div", drawn, class_="canvas", tabindex="0"))


def _walk(found: Sweep, walked: Walked) -> Html:
    """Return the tests as one curve, the windows, and what the past had promised."""
    out, names = walked.out_of_sample, [axis.name for axis in found.prepared.plan.grid.axes]
    rows = [_window(step, names, found.sort) for step in walked.steps]
    columns = ["test from", "to", "market", *names, "before", "deflated", "in it", "return"]
    kind = "anchored" if walked.is_anchored else "rolling"
    said = (
        f"Out of sample: return {out.total_return:+.2%}, {found.sort.replace('_', ' ')} "
        f"{_figure(figure_named(out, found.sort))}, drawdown {out.max_drawdown:.2%}; in sample the bests had "
        f"{_figure(walked.in_sample.get(found.sort))} in the median. Deflated Sharpe ratio "
        f"{_figure(walked.deflated_sharpe)}, efficiency {_figure(walked.efficiency)}."
    )
    parts = [element("h2", f"Walk-forward {walked.walk}, {kind}"), element("p", said, class_="confidence")]
    if len(walked.days) > 1:
        parts.append(_curve([str(day) for day, _ in walked.days], [equity for _, equity in walked.days], at=None))
        parts.append(element("p", "The tests one after the other, each with what the one before left.", class_="note"))
    return element("section", *parts, table(columns, rows), class_="interval")


def _window(step: Step, names: Sequence[str], sort: str) -> list[str]:
    return [
        format_time(step.test_start),
        format_time(step.test_end),
        f"{step.best.symbol} {step.best.interval}",
        *(f"{step.best.parameters[name]:g}" for name in names),
        _figure(figure_named(step.best.outcome, sort)),
        _figure(step.best.deflated_sharpe),
        _figure(figure_named(step.test, sort)),
        f"{step.test.total_return:+.2%}",
    ]


def figure_named(outcome: object, name: str) -> Number | None:
    """Return an outcome's figure; None where it is undefined."""
    figure: Number | None = getattr(outcome, name)
    return figure


def _figure(value: Number | None) -> str:
    if value is None:
        return UNDEFINED
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.2f}" if abs(value) >= 0.1 else f"{value:.3g}"
