"""``precision report --serve``: the report of a store as it is, followed while a run adds to it."""

import json
import threading
import urllib.request

import pytest
from commands import here
from stored import make_result

from precision.grid import Store, expand, load_grid
from precision.report.html.server import Server

GRID = """
name: followed
datasets: [digits]
architectures: [lenet]
policies: {float32: float32, fixed8: "fixed(8,4)"}
methods: [ptq]
seeds: [0]
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "grid.yaml").write_text(GRID)
    return tmp_path


def test_it_follows_the_store_until_it_is_interrupted_and_writes_nothing(folder, monkeypatch):
    trials = [cell.trial for cell in expand(*load_grid(folder / "grid.yaml"))]
    store = Store(folder / "runs")
    store.create()
    store.save(make_result(trials[0]))
    seen, serve = [], Server.serve_forever

    def visited(server):
        thread = threading.Thread(target=serve, args=(server, 0.01))
        thread.start()
        server.live._rest = 0  # whoever looks at once sees what came just now
        for result in (None, make_result(trials[1])):
            if result is not None:
                store.save(result)
            with urllib.request.urlopen(f"{server.address}trials.json") as answer:
                seen.append(json.load(answer))
        seen.append(server)
        server.shutdown()
        thread.join()
        raise KeyboardInterrupt

    monkeypatch.setattr(Server, "serve_forever", visited)
    before = {path for path in folder.rglob("*") if "index" not in path.name}
    done = here(folder, "report", "grid.yaml", "--serve")
    first, second, server = seen
    assert (done.returncode, done.stderr) == (0, "") and f"report: {server.address}\n" in done.stdout
    assert first["progress"] == {"done": 1, "failed": 0, "skipped": 0, "left": 1, "all": 2}
    assert second["progress"]["left"] == 0
    place = [column["field"] for column in second["columns"]].index("accuracy")
    assert [row[place] for row in second["rows"]] == [50.0, 50.0]
    assert server.socket.fileno() == -1  # closed
    after = {path for path in folder.rglob("*") if "index" not in path.name}
    assert {path.parent.name for path in after - before} <= {"trials", trials[1].id}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--serve", "--html"], "--html is about files, and --serve writes none; leave one out"),
        (["--serve", "--figures", "svg"], "--figures is about files, and --serve writes none; leave one out"),
        (["--port", "8080"], "--port belongs to --serve, which is not given"),
        (["--figures", "gif"], "figures: 'gif' is no kind of file; "),
    ],
)
def test_options_that_contradict_each_other_are_told(folder, words, told):
    done = here(folder, "report", "grid.yaml", *words)
    assert done.returncode == 2 and told in done.stderr and not (folder / "reports").exists()
