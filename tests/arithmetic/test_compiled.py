import numba

from precision.arithmetic.compiled import compiled


def test_what_cannot_be_kept_is_compiled_all_the_same(monkeypatch):
    original = numba.njit

    def njit(*functions, **options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function 'twice': no locator available for file 'x.py'")
        return original(*functions, **options)

    monkeypatch.setattr(numba, "njit", njit)
    twice = compiled(lambda x: 2 * x)
    assert twice(21) == 42
    assert twice.signatures
