"""A report that is served: to whom, and how it follows a grid while it runs."""

import html
import http.client
import json
import re
import shutil
import subprocess
import threading
from dataclasses import replace

import pytest
from reported import fail, frame_of, results_of

from precision.errors import PrecisionError
from precision.report.html.live import Live, progress
from precision.report.html.server import Server
from precision.report.pages.grid import live_page

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
POLICIES = {"float32": 32.0, "fixed8": 8.0, "fixed4": 4.0}


class Grid:
    """A grid of three trials, of which each step one more has a result."""

    def __init__(self, step):
        frame = frame_of(policies=POLICIES, methods=("ptq",))
        self._frames = [frame]
        for policy in ("fixed4", "fixed8", "float32"):
            self._frames.insert(0, fail(self._frames[0], "pending", "", policy=policy))
        self.step, self.read = step, 0

    def collect(self):
        self.read += 1
        return replace(results_of(self._frames[self.step]), predictions=None)


@pytest.fixture
def grid():
    return Grid(1)


@pytest.fixture
def server(grid):
    """Serve a page of a few words, beside the trials."""
    drawn = []

    def draw(results, trials):
        drawn.append(trials["version"])
        return f"<p>{len(drawn)}</p>"

    with Server(Live(grid.collect, lambda: grid.step, draw, rest=0)) as found:
        thread = threading.Thread(target=found.serve_forever, args=(0.01,))
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def ask(server, path=None, method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    try:
        connection.request(method, f"/{server.token}/" if path is None else path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


def test_whoever_knows_the_address_sees_the_page(server):
    assert re.fullmatch(rf"http://127\.0\.0\.1:{server.server_port}/[\w-]{{32}}/", server.address)
    status, headers, text = ask(server)
    assert status == 200 and text == "<p>1</p>"
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'") and "connect-src 'self'" in policy
    assert headers["Referrer-Policy"] == "no-referrer" and headers["Cache-Control"] == "no-store"
    assert headers["Server"] == "precision" and "Access-Control-Allow-Origin" not in headers


def test_nobody_else_does(server):
    token, port = server.token, server.server_port
    paths = ["/", "/trials.json", "/favicon.ico", f"/{token[:-1]}/", f"/{token}x/", "/../", f"/x/{token}/"]
    assert {ask(server, path)[0] for path in paths} == {403}
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{port + 1}", "[::1]", ""):
        assert ask(server, Host=host)[0] == 403, host
    assert ask(server, Host=f"localhost:{port}")[0] == 200
    assert {
        ask(server, f"/{token}/{name}")[0] for name in ("report.html", "../", "trials.json/", "%2e%2e/")
    } == {404}


def test_only_get_is_answered(server):
    for method in ("HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"):
        status, headers, text = ask(server, method=method)
        assert status == 405 and headers["Allow"] == "GET" and "<p>" not in text


def test_trials_are_sent_when_there_are_newer_ones_and_read_when_the_store_has_changed(server, grid):
    trials = f"/{server.token}/trials.json"
    first = json.loads(ask(server, trials)[2])
    assert first["progress"] == {"done": 1, "failed": 0, "skipped": 0, "left": 2, "all": 3}
    assert ask(server, f"{trials}?known={first['version']}")[0] == 204 and grid.read == 1
    grid.step = 2
    status, headers, text = ask(server, f"{trials}?known={first['version']}")
    second = json.loads(text)
    assert status == 200 and headers["Content-Type"] == "application/json" and grid.read == 2
    assert second["progress"]["done"] == 2 and second["version"] != first["version"]
    assert ask(server)[2] == "<p>1</p>" == ask(server)[2]  # drawn once for what there is
    grid.step = 3
    assert ask(server)[2] == "<p>2</p>"


def test_a_run_is_not_kept_from_its_work(grid):
    live = Live(grid.collect, lambda: grid.step, lambda results, trials: "", rest=1e9)
    first = live.trials()
    grid.step = 2
    assert live.trials() == first and grid.read == 1


def test_what_failed_is_not_left(results):
    frame = fail(frame_of(policies=POLICIES, methods=("ptq",)), "timeout", "too long", policy="fixed8")
    frame = fail(frame, "diverged", "NaN", policy="fixed4")
    assert progress(results(frame)) == {"done": 2, "failed": 1, "skipped": 0, "left": 0, "all": 3}


def test_a_port_that_is_taken_is_told(server):
    with pytest.raises(PrecisionError, match=f"--port {server.server_port}: cannot be had"):
        Server(server.live, server.server_port)


_ACTS = """
<script>
const told = { errors: [] };
addEventListener("error", (event) => told.errors.push(String(event.message)));
addEventListener("securitypolicyviolation", (event) => told.errors.push(event.violatedDirective));
</script>"""
_FOLLOWS = """
<script>
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const texts = (query) => [...document.querySelectorAll(query)].map((one) => one.textContent);
const column = (field) => texts(`#table .tabulator-row .tabulator-cell[tabulator-field=${field}]`);
(async () => {
  await wait(200);
  told.before = column("status");
  told.said = document.getElementById("live").textContent;
  document.querySelector("#table .tabulator-col[tabulator-field=policy] .tabulator-col-content").click();
  const filter = document.querySelector("#table .tabulator-col[tabulator-field=architecture] input");
  filter.value = "lenet";
  filter.dispatchEvent(new KeyboardEvent("keyup", { bubbles: true }));
  await wait(600);
  const live = document.getElementById("live");
  for (let n = 0; n < 100 && !live.textContent.startsWith("3 of 3"); n++) await wait(500);
  told.after = column("status");
  told.policies = column("policy");
  told.filter = document.querySelector("#table .tabulator-col[tabulator-field=architecture] input").value;
  told.end = live.textContent;
  const sets = Chart.getChart("chart").data.datasets.filter((one) => one.label !== "not beaten");
  told.points = sets.reduce((n, one) => n + one.data.length, 0);
  const asked = performance.getEntriesByType("resource");
  told.requests = asked.map((one) => new URL(one.name).pathname.split("/").pop());
  const result = document.createElement("pre");
  result.id = "told";
  result.textContent = JSON.stringify(told);
  document.body.append(result);
})();
</script></body>"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed here")
def test_a_page_follows_a_run_and_keeps_sort_and_filter(tmp_path):
    grid = Grid(0)  # without a result there is no column of accuracies, which comes in with the first

    def stamp():
        grid.step = min(3, asked.append(None) or len(asked) // 2)  # one more result at every other request
        return grid.step

    def draw(results, trials):
        page = live_page(results, trials)
        return page.replace("<body>", "<body>" + _ACTS, 1).replace("</body>", _FOLLOWS, 1)

    asked = []
    with Server(Live(grid.collect, stamp, draw, rest=0)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        words = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1300,900", "--dump-dom"]
        words += [f"--user-data-dir={tmp_path}", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
        words += ["--virtual-time-budget=20000", server.address]
        done = subprocess.run([BROWSER, *words], capture_output=True, text=True, timeout=120, check=False)
        server.shutdown()
        thread.join()
    told = json.loads(html.unescape(re.search(r'<pre id="told">(.*?)</pre>', done.stdout, re.S).group(1)))
    assert told["errors"] == []
    assert told["before"] == ["pending"] * 3 and told["said"].startswith("0 of 3 trials done, 3 left.")
    assert told["after"] == ["ok"] * 3 and told["points"] == 3
    assert told["policies"] == ["fixed4", "fixed8", "float32"] and told["filter"] == "lenet"
    assert told["end"].startswith("3 of 3 trials done, 0 left. Text and figures are those of the time")
    assert set(told["requests"]) == {"trials.json"}
