"""Write anew what is made from the code and kept beside it: pages of docs/, the schema, the ids of trials.

    python -P tests/made.py

Without -P the folder tests/architectures hides the package. Tests hold each of them to the code. That ids of
trials change is news: their stored results are then of no use.
"""

import json
from pathlib import Path

from precision.cli.page import page
from precision.grid import expand, load_grid, schedule
from precision.grid.editor import json_schema
from precision.report.pages.columns import columns_document

ROOT = Path(__file__).parent.parent


def written() -> dict[str, str]:
    """Return the files by their names, with what they should hold."""
    columns = columns_document()
    results = (ROOT / "docs" / "results.md").read_text()
    about = results[: results.index(columns.splitlines()[0])]
    grids = [
        *sorted((ROOT / "experiments").glob("*.yaml")),
        *sorted((ROOT / "experiments/published").glob("*.yaml")),
    ]
    ids = {path.name: [trial.id for trial in schedule(expand(*load_grid(path)))] for path in grids}
    return {
        "docs/cli.md": page(),
        "docs/results.md": about + columns,
        "docs/grid.schema.json": json.dumps(json_schema(), indent=1) + "\n",
        "tests/trial_ids.json": json.dumps(ids, indent=1) + "\n",
    }


if __name__ == "__main__":
    for name, text in written().items():
        changed = (ROOT / name).read_text() != text
        (ROOT / name).write_text(text)
        print(f"{name}: {'changed' if changed else 'as it was'}")
