"""Documentation that is generated, or that can be run, is up to date."""

import inspect
import re
from pathlib import Path

import numpy as np
import yaml

import precision
from precision.cli.page import page
from precision.formats import parse
from precision.grid import expand, load_grid
from precision.quantization import parse_policy
from precision.quantization.policy.presets import PRESETS
from precision.registry import FORMATS
from precision.report.pages.columns import columns_document
from precision.samples import MOST, QUANTITIES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_columns_of_the_result_files():
    assert (ROOT / "docs" / "results.md").read_text().endswith(columns_document())


def test_the_commands():
    """Written by python -m precision.cli.page > docs/cli.md."""
    assert (ROOT / "docs" / "cli.md").read_text() == page()


def test_every_series_is_described():
    text = (ROOT / "docs" / "resources.md").read_text()
    for name, quantity in QUANTITIES.items():
        stands = "largest" if quantity.largest else "mean"
        assert f"| `{name}` | {quantity.unit} | {stands} | {quantity.meaning} |\n" in text
    assert f"At most {MOST:,}." in text


def test_every_format_is_described():
    text = (ROOT / "docs" / "formats.md").read_text()
    for name in FORMATS:
        assert f"`{name}" in text


def test_the_grid_of_the_readme(tmp_path):
    text = re.search(r"```yaml\n(name: my-grid.*?)```", README, re.S).group(1)
    (tmp_path / "my-grid.yaml").write_text(text)
    assert len(expand(*load_grid(tmp_path / "my-grid.yaml"))) == (2 * 4 * 2 - 4) * 3


def test_the_fragments_of_the_grid_page(tmp_path):
    """Each fragment of docs/grid.md, put into a grid that has the other keys, is valid."""
    rest = {
        "name": "x",
        "datasets": ["digits"],
        "architectures": ["lenet", "vgg"],
        "policies": {"float32": "float32", "fixed4": "fixed(4,3)", "float8": "float8_e5m2"},
    }
    base = {**rest, "policies": {"float32": "float32", "half": "float16"}}
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(base))
    fragments = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "grid.md").read_text(), re.S)
    page = (ROOT / "docs" / "adding-a-format.md").read_text()
    (tmp_path / "formats").mkdir()
    (tmp_path / "formats" / "takum8.py").write_text(
        re.search(r"takum8\.py -->\n```python\n(.*?)```", page, re.S)[1]
    )
    cells = []
    for number, fragment in enumerate(fragments):
        keys = yaml.safe_load(fragment)
        path = tmp_path / f"{number}.yaml"
        path.write_text(yaml.safe_dump({k: v for k, v in rest.items() if k not in keys}) + fragment)
        grid, source = load_grid(path)
        if "policies" in keys:
            grid.report.baseline = next(iter(grid.policies))
        cells.append(expand(grid, source))
    _, swept, zipped, *_, inherited, anchors, _ = cells
    assert len(fragments) == 9
    assert {c.architecture for c in swept} == {"lenet", "vgg width=0.25", "vgg width=0.5"}
    assert {"fixed weights=fixed(8,6) activations=fixed(8,4)", "int8 weights=channel"} < {
        c.policy for c in swept
    }
    assert "qat epochs=default" in {c.method for c in swept}
    assert "learning_rate=0.01 threads=2" in {c.training for c in swept}
    assert {(c.architecture, c.trial.training.epochs) for c in zipped} == {("lenet", 5), ("vgg", 10)}
    assert {c.policy for c in inherited} == {"float32", "fixed6"}
    assert {c.trial.architecture.options.get("width") for c in inherited} == {2, None}
    assert {c.policy for c in anchors} == {"float32", "weights8", "both8"}


def test_the_policies_of_the_policies_page(tmp_path):
    fragment = re.search(r"```yaml\n(policies:.*?)```", (ROOT / "docs" / "policies.md").read_text(), re.S)[1]
    path = tmp_path / "grid.yaml"
    rest = "name: x\ndatasets: digits\narchitectures: lenet\nreport: {baseline: half}\n"
    path.write_text(rest + fragment)
    assert len(expand(*load_grid(path))) == 2


def test_the_policies_page_has_what_the_presets_expand_to():
    page = (ROOT / "docs" / "policies.md").read_text()
    fragment = page[page.index("## Presets") :]
    written = yaml.safe_load(re.search(r"```yaml\n(policies:.*?)```", fragment, re.S)[1])["policies"]
    assert {name: parse_policy(slots) for name, slots in written.items()} == {
        name: parse_policy(name) for name in PRESETS
    }


def test_the_formats_of_the_readme():
    got = parse("fixed(8,4)").quantize(np.array([0.1, 3.14159, 100.0]))
    np.testing.assert_array_equal(got, [0.125, 3.125, 7.9375])
    assert "# [0.125, 3.125, 7.9375]" in README


def test_the_arguments_of_the_python_page(tmp_path, monkeypatch):
    """Every argument of the main functions is named, and what it shows of the packages runs."""
    page = (ROOT / "docs" / "python.md").read_text()
    assert "`precision.audit(model, data=...)`" in page
    assert "`precision.compare(a, b)`" in page
    assert "`precision.explain(trial)`" in page
    for name in (
        "run",
        "write_report",
        "load_results",
        "sensitivity",
        "search",
        "audit",
        "compare",
        "explain",
    ):
        assert f"`precision.{name}(grid)`" in page or name in ("audit", "compare", "explain")
        for word in list(inspect.signature(getattr(precision, name)).parameters)[1 + (name == "compare") :]:
            assert re.search(rf"`{word}[`=]", page), word
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my-grid.yaml").write_text(re.search(r"```yaml\n(name: my-grid.*?)```", README, re.S)[1])
    found = {}
    exec(re.findall(r"```python\n(.*?)```", page, re.S)[-1], found)
    assert found["model"].name == "lenet"
    assert {cell.policy for cell in found["cells"]} == {"fixed8"}
    assert {cell.seed for cell in found["cells"]} == {0, 1, 2, 3, 4}


def test_every_path_that_the_readme_links_exists():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_nothing_names_a_machine():
    for path in [
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("reports/**/*.md"),
        ROOT / "README.md",
        ROOT / "benchmarks/README.md",
    ]:
        text = path.read_text()
        assert str(ROOT) not in text, path
        assert not re.search(r"(?<![\w.])/(?:tmp|root|home|mnt)/", text), path
