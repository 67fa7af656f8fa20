"""The page of HTML: what it holds, that text stays text, and what it does in a browser."""

import html
import json
import re
import shutil
import subprocess

import pytest

from precision.metrics import METRICS
from precision.report import write
from precision.report.document import (
    Code,
    Column,
    Document,
    Figure,
    List,
    Listing,
    Markdown,
    Note,
    Section,
    Strong,
    Table,
    Unit,
    Words,
)
from precision.report.html.page import page as page_of
from precision.report.html.trials import COSTS, trials
from precision.report.render.html import blocks, contents

NASTY = '<img src=x onerror=alert(1)>&"</script>'
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture
def page(grid, results, tmp_path):
    frame = grid(policies={"float32": 32.0, NASTY: 8.0, "fixed4": 4.0}, methods=("ptq", "qat"))
    write(results(frame), tmp_path, html=True)
    return (tmp_path / "report.html").read_text()


def data_of(page):
    return json.loads(
        re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S).group(1)
    )


def test_every_part_is_shown_and_text_stays_text():
    table = Table(
        (Column(NASTY), Column("n", Unit.COUNT)), ((NASTY, 1200), (Strong(Code("a<b")), None)), NASTY
    )
    parts = (
        Section("One", (Note(NASTY), table, Section("Within", (List((NASTY, Words("n < 6"))),)))),
        Section(NASTY, (Listing(NASTY), Markdown(f"{NASTY}\n\nmore"), Figure("f", "", NASTY, None))),
    )
    text = blocks(Document("d", parts).parts, {"f.png": b"picture"})
    safe = html.escape(NASTY)
    assert "<img src=x" not in text and "</script>" not in text
    for shown in (
        '<section id="s-1"><h2>One</h2>',
        '<section id="s-1-1"><h3>Within</h3>',
        f"<caption>{safe}</caption>",
        f'<td>{safe}</td><td class="n">1,200</td>',
        '<td><strong><code>a&lt;b</code></strong></td><td class="n">\N{EM DASH}</td>',
        f"<li>{safe}</li><li>n &lt; 6</li>",
        f"<pre>{safe}</pre>",
        f"<p>{safe}</p>\n<p>more</p>",
        f'<img alt="{safe}" src="data:image/png;base64,cGljdHVyZQ==">',
    ):
        assert shown in text, shown
    assert contents(parts) == f'<ul><li><a href="#s-1">One</a></li><li><a href="#s-2">{safe}</a></li></ul>'


def test_the_page_needs_nothing_else(page):
    own = re.sub(r"<script.*?</script>", "", page, flags=re.S)  # the libraries name their home pages
    own = own.replace(html.escape(NASTY), "")
    assert not re.search(r"(?:src|href|action)\s*=\s*[\"']?(?![\"']|data:|#|results\.csv|summary\.csv)", own)
    assert "@import" not in page and "sourceMappingURL" not in page
    assert "default-src 'none'" in page
    assert page.count("</script>") == 3 and "<img src=x" not in page
    assert "<h2>The answer</h2>" in page and page.count("<h2>Every trial</h2>") == 1
    assert len(page) < 3_000_000


def test_the_trials_are_those_of_the_results(page, grid, results):
    found = data_of(page)
    fields = [column["field"] for column in found["columns"]]
    cells = results(
        grid(policies={"float32": 32.0, NASTY: 8.0, "fixed4": 4.0}, methods=("ptq", "qat"))
    ).cells()
    assert len(found["rows"]) == len(cells)
    assert [row[fields.index("policy")] for row in found["rows"]] == cells["policy"].tolist()
    shown = [row[fields.index("accuracy")] for row in found["rows"]]
    assert shown == pytest.approx((100 * cells["accuracy"]).tolist(), rel=1e-5)
    assert "accuracy" in found["y"] and "weight_bits" in found["x"]


def test_a_trial_without_a_result_has_no_number(grid, results, failed):
    frame = failed(grid(policies={"float32": 32.0, "fixed8": 8.0}), "failed", "no luck", policy="fixed8")
    found = trials(results(frame))
    fields = [column["field"] for column in found["columns"]]
    bad = [row for row in found["rows"] if row[fields.index("status")] != "ok"]
    assert bad and all(row[fields.index("accuracy")] is None and row[fields.index("reason")] for row in bad)
    json.dumps(found, allow_nan=False)


def test_every_cost_of_the_plot_is_a_metric(grid, results):
    frame = grid(policies={"float32": 32.0, "fixed8": 8.0}).assign(energy_modelled_pj=2.5e6)
    assert set(COSTS) <= set(METRICS)
    found = trials(results(frame))
    assert "energy_modelled_pj" in found["x"]
    (place,) = [n for n, column in enumerate(found["columns"]) if column["title"] == "Modelled energy (µJ)"]
    assert {row[place] for row in found["rows"]} == {2.5}


def test_a_page_of_ten_thousand_trials_is_no_larger_than_can_be_mailed(grid, results):
    given = results(grid(policies={"float32": 32.0, "fixed8": 8.0}))
    few = trials(given)
    many = {**few, "rows": few["rows"] * (10_000 // len(few["rows"]))}
    assert len(page_of(given, Document("d", ()), {}, many)) < 3_000_000


def test_a_table_of_many_formats_has_a_row_for_each():
    formats = [Column(f"fixed({bits},2)", Unit.ACCURACY) for bits in range(3, 23)]
    table = Table((Column("Architecture"), *formats), (("lenet", *[0.5] * 20),), across="Policy")
    text = blocks((table,), {})
    assert text.count("<tr>") == 21 and '<th scope="col">Policy</th>' in text
    few = Table(table.columns[:4], (table.rows[0][:4],), across="Policy")
    assert blocks((few,), {}).count("<tr>") == 2


def test_a_page_of_an_earlier_report_is_removed(grid, results, tmp_path):
    given = results(grid(policies={"float32": 32.0, "fixed8": 8.0}))
    write(given, tmp_path, html=True)
    assert (tmp_path / "report.html").exists()
    write(given, tmp_path)
    assert not (tmp_path / "report.html").exists()


# What a reader does, told by the page itself: the browser prints the document afterwards.
_ACTS = """
<script>
const told = { errors: [] };
addEventListener("error", (event) => told.errors.push(String(event.message)));
addEventListener("securitypolicyviolation", (event) => told.errors.push(event.violatedDirective));
</script>"""
_LOOKS = """
<script>
const texts = (query) => [...document.querySelectorAll(query)].map((one) => one.textContent);
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const column = (field) => texts(`#table .tabulator-row .tabulator-cell[tabulator-field=${field}]`);
const type = (element, text) => {
  element.value = text;
  element.dispatchEvent(new Event("input", { bubbles: true }));
  element.dispatchEvent(new KeyboardEvent("keyup", { bubbles: true })); };
(async () => {
  await wait(300);
  told.policies = [...new Set(column("policy"))];
  told.rows = column("trial").length;
  const head = document.querySelector("#table .tabulator-col[tabulator-field=accuracy]");
  head.focus();
  told.focused = document.activeElement === head;
  head.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
  await wait(200);
  told.sorted = column("accuracy");
  type(document.getElementById("find"), "fixed4");
  await wait(600);
  told.found = [...new Set(column("policy"))];
  told.count = document.getElementById("count").textContent;
  document.getElementById("clear").click();
  await wait(300);
  type(document.querySelector("#table .tabulator-col[tabulator-field=weight_bits] input"), "> 8");
  await wait(900);
  told.wide = [...new Set(column("policy"))];
  document.getElementById("clear").click();
  await wait(200);
  const chart = Chart.getChart("chart");
  const sets = chart.data.datasets.filter((one) => one.label !== "not beaten");
  told.points = sets.reduce((n, one) => n + one.data.length, 0);
  chart.canvas.scrollIntoView();
  await wait(300);
  const point = chart.getDatasetMeta(0).data[0];
  const box = chart.canvas.getBoundingClientRect();
  const at = { clientX: box.left + point.x, clientY: box.top + point.y, bubbles: true };
  const moved = new MouseEvent("mousemove", at);
  chart.canvas.dispatchEvent(moved);
  const hit = chart.getElementsAtEventForMode(moved, "nearest", { intersect: true }, true)[0];
  // Frames of an animation, in which Chart.js would do so, are not drawn while a document is printed.
  chart.tooltip.setActiveElements([{ datasetIndex: hit.datasetIndex, index: hit.index }], point);
  chart.update();
  told.hovered = chart.tooltip.body[0].lines;
  document.getElementById("theme").click();
  const theme = () => document.documentElement.dataset.theme;
  told.theme = theme();
  dispatchEvent(new Event("beforeprint"));
  told.printed = [theme(), document.querySelectorAll(".tabulator-print-table tbody tr").length];
  dispatchEvent(new Event("afterprint"));
  told.afterwards = theme();
  told.pictures = document.querySelectorAll("img[src^=x]").length;
  const result = document.createElement("pre");
  result.id = "told";
  result.textContent = JSON.stringify(told);
  document.body.append(result);
})();
</script></body>"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed here")
def test_a_reader_sorts_filters_and_hovers(page, tmp_path):
    file = tmp_path / "acted.html"
    file.write_text(page.replace("<body>", "<body>" + _ACTS, 1).replace("</body>", _LOOKS, 1))
    words = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--window-size=1300,900",
        "--virtual-time-budget=8000",
    ]
    words += [
        f"--user-data-dir={tmp_path / 'profile'}",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--dump-dom",
    ]
    done = subprocess.run(
        [BROWSER, *words, file.as_uri()], capture_output=True, text=True, timeout=120, check=False
    )
    told = json.loads(html.unescape(re.search(r'<pre id="told">(.*?)</pre>', done.stdout, re.S).group(1)))
    rows = len(data_of(page)["rows"])
    assert told["errors"] == [] and told["pictures"] == 0
    assert NASTY in told["policies"] and told["rows"] == rows == told["points"]
    assert told["focused"] and [float(one) for one in told["sorted"]] == sorted(map(float, told["sorted"]))
    assert told["found"] == ["fixed4"] and re.fullmatch(rf"\d+ of {rows} trials", told["count"])
    assert told["wide"] == ["float32"]
    assert len(told["hovered"]) == 3 and "trial" in told["hovered"][2]
    assert told["theme"] == "dark" == told["afterwards"]
    assert told["printed"] == ["light", rows]  # paper is white, and has every trial
