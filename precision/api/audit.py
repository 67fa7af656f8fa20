"""Audit a trained model from Python: the same as the command line.

import precision
found = precision.audit("model.keras", data="images.npz")
found.answers[["architecture", "policy"]]     # for each kind of hardware the smallest safe format
[file.command for file in found.files]        # that write the files which say them
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from precision.api.folder import DEFAULT_STORE, report_folder
from precision.errors import PrecisionError

if TYPE_CHECKING:
    from precision.analysis.audit import Audited


def audit(
    model: str | Path,
    *,
    data_dir: str | Path | None = None,
    store: str | Path = DEFAULT_STORE,
    output: str | Path | None = None,
    force: bool = False,
    plugins: Sequence[str | Path] = (),
    quiet: bool = False,
    data: str | Path,
    data_options: Mapping[str, Any] | None = None,
    targets: Sequence[str] = (),
    tolerance: float = 1.0,
) -> Audited:
    """Say which number formats a trained Keras model can use on its data, report and return it.

    The model is taken as it is; nothing is trained. What was compared before is not compared again.

    Args:
        model: a .keras or .h5 file.
        data_dir, store, force, plugins, quiet: as of ``precision.run``.
        output: folder of the report; None means reports/<name of the model>-audit.
        data: a folder of images, a .npz, .npy or .csv file, or the name of a data set; labelled.
        data_options: of the data set, such as ``{"scale": "none"}``.
        targets: integer, fixed or float; empty for all.
        tolerance: percentage points of accuracy that may be lost.

    Raises:
        PrecisionError: when the model or the data cannot be read, do not go together, or the model is no
            better than always saying the most frequent class.
        KeyboardInterrupt: on Ctrl-C; what was compared is kept.

    >>> import keras, precision
    >>> images = precision.data.load("digits")
    >>> model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])
    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> model.compile("adam", loss)
    >>> history = model.fit(images.x_train / 255, images.y_train, epochs=20, verbose=0)
    >>> model.save("linear.keras")
    >>> found = precision.audit("linear.keras", data="digits", tolerance=5, targets=["fixed"], quiet=True)
    >>> found.answers["verdict"].tolist()
    ['found']
    """
    from precision import plugins as loader
    from precision.data.files.locate import data_directory
    from precision.exploration.audit import grid_file, ladder, request
    from precision.report.pages.audit import AUDIT, GRID, write_audit
    from precision.report.pages.made_from import MadeFrom, check
    from precision.startup import start_backend

    path, options = Path(model), dict(data_options or {})
    if not 0 <= tolerance <= 100:
        raise PrecisionError(f"--tolerance is in percentage points, from 0 to 100, but got {tolerance}")
    wanted = ladder.chosen(targets)
    name = f"{grid_file.label(path)}-audit"
    folder = report_folder(output, name)
    folder_of_data = None if data_dir is None else Path(data_dir)
    given = grid_file.Given(path, str(data), options, folder_of_data, tuple(plugins))
    command = grid_file.command(given, targets, tolerance)
    made_from = MadeFrom(command[2], tuple(command[3:]))
    check(folder / AUDIT, made_from, force)
    directory = data_directory(data_dir)
    loader.load(plugins)
    start_backend()
    from precision.exploration.audit.model import seen
    from precision.exploration.audit.run import audit as audited

    looked = seen(path)
    asked = request.request(str(data), options, looked)
    text = grid_file.text_of(
        name, asked.dataset, path, wanted, folder, tolerance=tolerance, plugins=plugins, command=command
    )
    grid_file.write(folder / GRID, text, force)
    found = audited(
        folder / GRID,
        wanted,
        given=given,
        facts=looked.facts,
        assumed=asked.assumed,
        data_dir=directory,
        store=store,
        quiet=quiet,
    )
    write_audit(found, command, folder, made_from, force)
    return found
