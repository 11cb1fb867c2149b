"""``deploy/monitoring`` against what our processes really show: every figure that a rule or a panel names is there."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from api.watch import FIGURES
from tests.api_market import reading
from tests.conftest import ROOT
from tests.faulty import play, said

FOLDER = ROOT / "deploy" / "monitoring"
DASHBOARD = json.loads((FOLDER / "grafana" / "dashboards" / "btc.json").read_text(encoding="utf-8"))
GROUPS = yaml.safe_load((FOLDER / "rules.yml").read_text(encoding="utf-8"))["groups"]
RULES = [rule for group in GROUPS for rule in group["rules"]]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
# Prometheus's own words, and what it adds to every figure.
WORDS = {"by", "or", "and", "unless", "on", "ignoring", "without", "offset", "bool"}
PROMETHEUS = {"up": {"job", "instance"}, "ALERTS": {"alertname", "alertstate", "severity"}}
TARGET = {"job", "instance"}


def expressions() -> Iterator[tuple[str, str]]:
    """Yield where an expression stands, and the expression."""
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for panel in PANELS:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def figures_of(expr: str) -> dict[str, set[str]]:
    """Return the figures that an expression names, each with the labels that it chooses by."""
    chosen = {
        name: set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", inside))
        for name, inside in re.findall(r"(\w+)\{([^}]*)\}", expr)
    }
    bare = re.sub(r"\{[^}]*\}|\[\w+\]|\b(?:by|without|on|ignoring) \([^)]*\)", "", expr)
    names = re.findall(r"\b([a-zA-Z_]\w*)\b(?!\s*\()", bare)
    return {name: chosen.get(name, set()) for name in names if name not in WORDS}


def shown(text: str) -> dict[str, set[str]]:
    """Return the figures of a page with their labels, also those that have no value yet."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        counted = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
        for name in (family.name + ending for ending in counted):
            found.setdefault(name, set())
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


@pytest.fixture
async def exposed(database_url, settings_for, tmp_path, caplog):
    """What a running collector and a running API show, by figure."""
    caplog.set_level("INFO")
    async with play(database_url, settings_for, tmp_path, n_history=60) as one, one.collecting():
        await one.reached(one.start)
        (started,) = said(caplog, "collector started")
        async with httpx.AsyncClient() as client:
            collector = (await client.get(f"http://127.0.0.1:{started.http_port}/metrics")).text
        async with reading(settings_for(database_url)) as http:
            await http.get("/api/v1/candles")
            api = (await http.get("/metrics")).text
    # Those of the database that have no value yet; that each gets one is tested in test_watch.py.
    return shown(collector) | shown(api) | {name: set(labels) for name, (_, labels) in FIGURES.items()} | PROMETHEUS


async def test_every_figure_that_is_asked_for_is_shown(exposed):
    """A name or a label that nobody shows would be a rule that never speaks and a panel that stays empty."""
    faults = []
    for where, expr in expressions():
        for name, labels in figures_of(expr).items():
            if name not in exposed:
                faults.append(f"{where}: nobody shows {name}")
            # Counters that have not counted yet tell no labels.
            elif exposed[name] and labels - exposed[name] - TARGET:
                faults.append(f"{where}: {name} has no label {labels - exposed[name] - TARGET}")
    assert faults == []


def test_a_figure_that_nobody_shows_would_be_found():
    """What the test above takes for figures."""
    expr = (
        'sum by (job) (increase(a_total{reason!~"x|y", job="z"}[1h])) > 1e8 or histogram_quantile(0.5, b_bucket) == c'
    )
    assert figures_of(expr) == {"a_total": {"reason", "job"}, "b_bucket": set(), "c": set()}


def test_every_rule_says_what_is_wrong_and_how_bad_it_is():
    """Named once; a sentence; two severities."""
    names = [rule["alert"] for rule in RULES]
    assert len(set(names)) == len(names) > 20
    for rule in RULES:
        assert rule["labels"]["severity"] in ("critical", "warning"), rule["alert"]
        assert re.fullmatch(r"[^\n]{20,}\.", rule["annotations"]["summary"]), rule["alert"]


def test_every_panel_says_where_its_figures_come_from():
    """And lies beside the others, not over them."""
    cells: set[tuple[int, int]] = set()
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        own = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not own & cells, panel["title"]
        assert at["x"] + at["w"] <= 24
        cells |= own
    for panel in PANELS:
        assert re.search(r"From: [\w ,]+[\w.]+\.$|From: .*\.$", panel["description"]), panel["title"]
        assert panel["datasource"]["uid"] == "prometheus"


def test_the_page_of_the_documents_has_every_rule_and_every_panel():
    """docs/monitoring.md: what each means, and what to do."""
    page = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
    assert [rule["alert"] for rule in RULES if f"`{rule['alert']}`" not in page] == []
    assert [panel["title"] for panel in PANELS if f"| {panel['title']} |" not in page] == []
    assert [name for name in FIGURES if f"`{name}" not in page] == []


def test_who_is_asked_is_a_service_of_the_compose_file():
    """By its name and its port."""
    jobs = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in jobs}
    assert targets == {"collector": ["collector:8080"], "api": ["api:8000"], "prometheus": ["127.0.0.1:9090"]}
    assert set(targets) <= set(yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"])


def test_promtool_understands_every_expression(tmp_path):
    """Prometheus's own tool, where it is there: rules as they are, panels as recording rules."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("there is no promtool: apt-get install prometheus brings one")
    rules = [{"record": f"panel:{n}", "expr": expr} for n, (_, expr) in enumerate(expressions())]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}), encoding="utf-8")
    check = partial(subprocess.run, capture_output=True, text=True, check=False)
    for each in (FOLDER / "rules.yml", file):
        done = check([promtool, "check", "rules", "--lint=none", str(each)])
        assert done.returncode == 0, done.stdout + done.stderr
