"""The file of a network's quantised weights: a safetensors file of packed codes.

One tensor for each variable, named by the variable's path, and for a variable with scales beside the format
two at most beside it: see :mod:`precision.deploy.packed.entry`. A variable with a format is a row of
bytes (U8): what ``format.pack`` gives, code after code without gaps, then the scales of the blocks if there
are any. The others (the statistics of batch normalisation) are tensors in their own type. The file's metadata
say how to read it, all as texts:

    precision        version of this library
    policy           JSON: the policy
    fold_batch_norm  "true" where batch normalisations were folded first; otherwise absent
    tensors          JSON: for each variable {"format", "shape", "axis", "dtype"} and, where there are scales
                     beside the format, {"scaling", "per", "zero_point"}; the format is null for one that is
                     stored as it is, dtype is that of the network's variable

A safetensors file (https://github.com/huggingface/safetensors) holds numbers and texts only; to read one runs
no code. Only weights and biases are stored: the file says nothing of what else a policy rounds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from precision import __version__, received
from precision.deploy.packed.entry import Entry, decode, encode
from precision.deploy.packed.loss import Loss
from precision.errors import PrecisionError
from precision.quantization.policy.policy import Policy, parse_policy
from precision.quantization.stored import stored_variables


@dataclass(frozen=True)
class Packed:
    """The content of a file.

    Attributes:
        tensors: by name, bytes of codes, scales, zero points, or an array as it is.
        entries: by the name of the variable.
        folded: whether the batch normalisations of the network were folded first.
        losses: what rounding did, by the name of the variable; a file that is read has none.
    """

    tensors: dict[str, np.ndarray]
    entries: dict[str, Entry]
    folded: bool = False
    losses: Mapping[str, Loss] = field(default_factory=dict)

    @property
    def payload_bytes(self) -> int:
        """Bytes of the tensors, without the file's header."""
        return sum(tensor.nbytes for tensor in self.tensors.values())


def pack_model(
    model: Any, policy: Policy, *, numbers: Mapping[int, np.ndarray] | None = None, folded: bool = False
) -> Packed:
    """Return the packed variables of an unquantised Keras model under a policy.

    Ranges of scales are chosen as :func:`precision.quantization.apply` chooses them. Where the policy folds
    batch normalisations, the variables are those of the folded model.

    Args:
        numbers: by the id of a variable of the model, the numbers of its scale where training chose them.
        folded: whether the model is folded already, as the policy asks.

    Raises:
        PrecisionError: for a policy that does not round to nearest or does not fit the model, or rounds a
            shared variable in two ways; scaled values that are not finite, or a format whose codes do not
            give its values back; and for a policy with transforms, which need images.

    >>> import architectures
    >>> from precision.deploy.packed.file import pack_model
    >>> from precision.quantization import parse_policy
    >>> model = architectures.build("mlp", width=0.25)
    >>> pack_model(model, parse_policy("fixed(4,3)")).payload_bytes, model.count_params()
    (12725, 25450)
    """
    if policy.transforms:
        raise PrecisionError(
            f"the policy transforms networks by {' and '.join(policy.transforms)}, which look at training "
            "images that a file of a model does not have; 'precision export' writes the network of a trial "
            "with it done, which a policy without 'transforms' packs"
        )
    if policy.fold_batch_norm and not folded:
        model = _folded(model)
    tensors: dict[str, np.ndarray] = {}
    entries, losses, names = {}, {}, dict[int, str]()
    for item in stored_variables(model, policy):
        if (other := names.setdefault(id(item.variable), item.name)) != item.name:
            raise PrecisionError(
                f"{other}: layers that share this variable round it in different ways, and a file has it "
                "once; give them the same format for it"
            )
        entries[item.name], found, loss = encode(item, (numbers or {}).get(id(item.variable)))
        if taken := tensors.keys() & found.keys():
            raise PrecisionError(f"two tensors of the file have the name {min(taken)!r}; rename the variable")
        tensors |= found
        if loss is not None:
            losses[item.name] = loss
    return Packed(tensors, entries, policy.fold_batch_norm, losses)


def _folded(model: Any) -> Any:
    from precision.quantization.transforms.folding import fold

    return fold(model).model


def to_bytes(packed: Packed, policy: Policy) -> bytes:
    """Return the content of the file.

    >>> import architectures
    >>> from pathlib import Path
    >>> from precision.deploy.packed.file import pack_model, to_bytes
    >>> from precision.quantization import parse_policy
    >>> policy = parse_policy("fixed(4,3)")
    >>> packed = pack_model(architectures.build("mlp", width=0.25), policy)
    >>> Path("mlp.safetensors").write_bytes(to_bytes(packed, policy)) > packed.payload_bytes
    True
    """
    from safetensors.numpy import save

    described = {name: entry.to_json() for name, entry in packed.entries.items()}
    metadata = {
        "precision": __version__,
        "policy": json.dumps(policy.to_json()),
        "tensors": json.dumps(described),
    }
    if packed.folded:
        metadata["fold_batch_norm"] = "true"
    content: bytes = save(packed.tensors, metadata)
    return content


def read(path: str | Path) -> Packed:
    """Read a file that ``precision pack`` wrote.

    Raises:
        PrecisionError: when it is missing, no safetensors file, damaged, or from elsewhere.

    >>> import architectures
    >>> from pathlib import Path
    >>> from precision.deploy.packed.file import pack_model, read, to_bytes
    >>> from precision.quantization import parse_policy
    >>> policy = parse_policy("fixed(4,3)")
    >>> packed = pack_model(architectures.build("mlp", width=0.25), policy)
    >>> _ = Path("mlp.safetensors").write_bytes(to_bytes(packed, policy))
    >>> sorted(read("mlp.safetensors").entries)
    ['dense1/bias', 'dense1/kernel', 'logits/bias', 'logits/kernel']
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    received.check(path, received.memory(), near="*.safetensors")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError, KeyError, TypeError) as error:
        raise PrecisionError(f"{path}: this is no safetensors file, or a damaged one ({error})") from None
    if "integers" in metadata:
        raise PrecisionError(
            f"{path}: this file holds a network of integers, scales and all, and no packed codes; 'precision "
            "export TRIAL model.keras --rounded' writes its weights as a model"
        )
    if "tensors" not in metadata:
        raise PrecisionError(
            f"{path}: the metadata have no 'tensors'; only files written by precision pack can be read"
        )
    try:
        described = json.loads(metadata["tensors"])
        entries = {name: Entry.from_json(described[name]) for name in described}
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise PrecisionError(f"{path}: the metadata are damaged ({error})") from None
    names = {part for name, entry in entries.items() for part in entry.names(name)}
    if names != tensors.keys():
        odd = min(names ^ tensors.keys())
        raise PrecisionError(f"{path}: the metadata and the tensors disagree about {odd!r}")
    return Packed(tensors, entries, metadata.get("fold_batch_norm") == "true")


def unpack_model(model: Any, packed: Packed, source: str | Path) -> Any:
    """Return a Keras model with the quantised values of a file.

    It is the model itself, changed in place, or a folded copy where the file was packed from one.

    Args:
        model: of the architecture that was packed, its batch normalisations folded already or not.
        source: name of the file, for errors.

    Raises:
        PrecisionError: as :func:`load_into`.

    >>> import architectures, numpy as np
    >>> from precision.deploy.packed.file import pack_model, unpack_model
    >>> from precision.quantization import parse_policy
    >>> model = architectures.build("mlp", width=0.25)
    >>> unpacked = unpack_model(model, pack_model(model, parse_policy("fixed(4,3)")), "memory")
    >>> kernel = np.asarray(unpacked.get_layer("logits").kernel)
    >>> bool((kernel * 8 == np.round(kernel * 8)).all())  # every one is a multiple of 2^-3
    True
    """
    if packed.folded:
        model = _folded(model)
    load_into(model, packed, source)
    return model


def load_into(model: Any, packed: Packed, source: str | Path) -> None:
    """Give a Keras model the quantised values of a file, bit for bit what a quantised network computes with.

    Args:
        model: of the architecture that was packed; of a file with folded normalisations the folded one.
        source: name of the file, for errors.

    Raises:
        PrecisionError: when names, shapes or types differ, or codes are damaged.
    """
    import keras

    entry_of = packed.entries
    variables = {item.name: item.variable for item in stored_variables(model, parse_policy("float32"))}
    missing, extra = variables.keys() - packed.entries.keys(), packed.entries.keys() - variables.keys()
    if missing or extra:
        which = f"lacks {min(missing)!r}" if missing else f"has {min(extra)!r}, which the model lacks"
        folded = ", one whose batch normalisations are folded" if packed.folded else ""
        raise PrecisionError(f"{source}: the file {which}; it was packed from another model{folded}")
    values = {name: _values(source, variables[name], packed, name) for name in variables}
    for name, variable in variables.items():
        variable.assign(values[name])
        held = keras.ops.convert_to_numpy(keras.ops.cast(variable, "float32"))
        if entry_of[name].number_format and not np.array_equal(held, values[name], equal_nan=True):
            raise PrecisionError(
                f"{source}: {name}: the model's variable of type {variable.dtype} cannot hold all values of "
                f"{entry_of[name].number_format}"
            )


def _values(source: str | Path, variable: Any, packed: Packed, name: str) -> np.ndarray:
    entry, location = packed.entries[name], f"{source}: {name}"
    if entry.shape != tuple(variable.shape):
        raise PrecisionError(
            f"{location}: the file has shape {entry.shape}, but the model's variable {tuple(variable.shape)}"
        )
    if entry.dtype != str(variable.dtype):
        raise PrecisionError(
            f"{location}: packed from a variable of {entry.dtype}, but the model's is {variable.dtype}"
        )
    return decode(name, entry, packed.tensors, f"{source}: ")
