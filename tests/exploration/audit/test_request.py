from pathlib import Path

import pytest

from precision.errors import PrecisionError
from precision.exploration.audit.model import Seen
from precision.exploration.audit.request import request, source_of


def seen(shape, unscaled=False):
    return Seen(Path("m.keras"), shape, 10, unscaled, {})


def test_paths_and_names_stand_for_data_sets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    for name in ("a.npz", "a.csv.gz"):
        Path(name).touch()
    assert source_of("photos") == {"name": "image_folder", "path": "photos"}
    assert source_of("a.npz") == {"name": "npz", "path": "a.npz"}
    assert source_of("a.csv.gz") == {"name": "csv", "path": "a.csv.gz"}
    assert source_of("mnist") == {"name": "mnist"}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("mnits", "no such file or folder, and no data set of that name; did you mean 'mnist'"),
        ("none.csv", "none.csv: there is no such file"),
        ("model.txt", "data are a folder of images, a .npz, .npy or .csv file, or the name of a data set"),
    ],
)
def test_what_is_no_data_is_one_sentence(given, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("model.txt").touch()
    with pytest.raises(PrecisionError, match=text):
        source_of(given)


def test_options_follow_from_the_model_unless_they_are_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = request(str(tmp_path), {}, seen((32, 24, 1), unscaled=True))
    assert found.dataset == {
        **{"name": "image_folder", "path": str(tmp_path)},
        **{"color": "gray", "resize": [32, 24], "scale": "none"},
    }
    assert [text.split(":")[0] for text in found.assumed] == ["color", "resize", "scale"]
    for name in ("a.csv", "a.npz"):
        Path(name).touch()
    given = request(str(tmp_path), {"scale": "tf", "color": "rgb"}, seen((None, None, 1), unscaled=True))
    assert given.dataset == {"name": "image_folder", "path": str(tmp_path), "scale": "tf", "color": "rgb"}
    assert given.assumed == ()
    assert request("a.csv", {}, seen((13,))).dataset["shape"] == [13]
    assert request("iris", {}, seen((4,))).dataset == {"name": "iris"}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"scael": "none"}, "has no option 'scael'; did you mean 'scale'"),
        ({"scale": "big"}, "option 'scale' of dataset 'npz' must be"),
        ({"path": "b.npz"}, "option 'path' of the data is given by --data already"),
    ],
)
def test_wrong_options_are_one_sentence(options, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.npz").touch()
    with pytest.raises(PrecisionError, match=text):
        request("a.npz", options, seen((8, 8, 1)))
