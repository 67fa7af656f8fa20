"""What other libraries and papers call the formats: for a suggestion, never for a meaning of their own.

``int8`` alone says nothing of a scale, and ``float8`` not which of two; so a text names a format as it is
called here, and these names only lead to it.
"""

from __future__ import annotations

import re

_NAMES = {
    "float32": "f32 fp32 single e8m23",
    "float16": "f16 fp16 half binary16 e5m10",
    "bfloat16": "bf16 brain bfloat e8m7",
    "tf32": "tfloat32 tensorfloat32 e8m10",
    "float8_e4m3fn": "f8 fp8 float8 minifloat e4m3 e4m3fn fp8_e4m3 fp8_e4m3fn float8_e4m3_fn f8e4m3 f8e4m3fn",
    "float8_e5m2": "e5m2 fp8_e5m2 f8e5m2 bf8",
    "float8_e4m3fnuz": "e4m3fnuz fp8_e4m3fnuz f8e4m3fnuz",
    "float8_e5m2fnuz": "e5m2fnuz fp8_e5m2fnuz f8e5m2fnuz",
    "float8_e3m4": "e3m4 fp8_e3m4 f8e3m4",
    "float6_e3m2fn": "fp6 float6 e3m2 fp6_e3m2 f6e3m2",
    "float6_e2m3fn": "e2m3 fp6_e2m3 f6e2m3",
    "float4_e2m1fn": "fp4 float4 e2m1 fp4_e2m1 f4e2m1",
    "mxfp8_e4m3": "mx mxfp8 mx8",
    "mxfp6_e3m2": "mxfp6 mx6",
    "mxfp4_e2m1": "mxfp4 mx4",
    "nvfp4": "nv4 nvf4",
    "nf4": "normalfloat normalfloat4 qlora",
    "binary": "bool int1 sign xnor",
}
_MEANT = {name: text for text, names in _NAMES.items() for name in names.split()}
_BESIDE = {"float8_e4m3fn": "float8_e5m2", "float6_e3m2fn": "float6_e2m3fn"}  # of an unclear name
_UNCLEAR = {"f8", "fp8", "float8", "minifloat", "fp6", "float6"}
_PATTERNS = (
    (re.compile(r"u?(?:int|i)_?(\d{1,2})"), "int({})"),
    (re.compile(r"(?:float|fp|f)?_?e(\d)_?m(\d{1,2})"), "float({},{})"),
    (re.compile(r"posit_?(\d{1,2})"), "posit({},2)"),
    (re.compile(r"bfp_?(\d{1,2})"), "bfp({})"),
    (re.compile(r"lns_?(\d{1,2})"), "lns({},3)"),
)


def meant(name: str) -> str | None:
    """Return ``"did you mean 'int(8)'?"`` for a name by which a format goes elsewhere.

    >>> from precision.formats.names import meant
    >>> meant("int8"), meant("fp8"), meant("nothing")
    ("did you mean 'int(8)'?", "did you mean 'float8_e4m3fn' or 'float8_e5m2'?", None)
    """
    word = name.lower().replace("-", "_")
    text = _MEANT.get(word)
    for pattern, form in _PATTERNS:
        if text is None and (found := pattern.fullmatch(word)):
            text = ("u" if word.startswith("u") else "") + form.format(*found.groups())
    if text is None:
        return None
    beside = f" or '{_BESIDE[text]}'" if word in _UNCLEAR else ""
    return f"did you mean '{text}'{beside}?"
