"""What is kept with a machine, in a folder that may be lost or not be there."""

from precision import kept


def test_it_is_found_under_its_whole_key_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("PRECISION_CACHE", str(tmp_path / "not" / "there"))
    assert kept.find("speed", "a processor", 2) is None
    kept.keep("speed", "a processor", 2, value={"seconds": 0.5})
    assert kept.find("speed", "a processor", 2) == {"seconds": 0.5}
    assert kept.find("speed", "a processor", 4) is None
    assert kept.find("network", "a processor", 2) is None
    kept.keep("speed", "a processor", 2, value={"seconds": 0.7})
    assert kept.find("speed", "a processor", 2) == {"seconds": 0.7}
    for text in ("{ torn", "[]"):
        for path in (tmp_path / "not" / "there" / "machine").iterdir():
            path.write_text(text)
        assert kept.find("speed", "a processor", 2) is None


def test_what_cannot_be_kept_is_found_out_again(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PRECISION_CACHE", str(tmp_path / "file"))
    kept.keep("speed", 1, value={})
    assert kept.find("speed", 1) is None
