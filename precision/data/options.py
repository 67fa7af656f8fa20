"""The options of a dataset: its own ones, the ones that all datasets have, and checking both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

from precision.data import rules
from precision.data.augment import Augmentation
from precision.data.files.catalogue import ENTRIES
from precision.data.labels import resolve_classes
from precision.errors import PlacedError, PrecisionError, suggest
from precision.registry import DATASETS


@dataclass(frozen=True)
class CommonOptions:
    """The options that every dataset has; None leaves the dataset as it is."""

    train_size: int | None = None
    test_size: int | None = None
    stratified: bool = True
    classes: tuple[int | str, ...] | None = None
    resize: tuple[int, int] | None = None
    augment: Augmentation | None = None


COMMON_RULES: dict[str, rules.Rule] = {
    "train_size": rules.count,
    "test_size": rules.count,
    "stratified": rules.flag,
    "classes": rules.classes,
    "resize": rules.size,
    "augment": lambda place, value: Augmentation.parse(value, place),
}


def place_of(name: str, option: str) -> str:
    """Return how a message names an option of a dataset."""
    return f"option {option!r} of dataset {name!r}"


def own_rules(name: str) -> dict[str, rules.Rule]:
    """Return the rules that a dataset's factory states in the annotations of its options."""
    try:
        hints = get_type_hints(DATASETS[name], include_extras=True)
    except NameError:  # a plugin's annotation that only a type checker can resolve states no rule
        return {}
    found = {}
    for option in DATASETS.options(name):
        hint = hints.get(option)
        for part in (hint, *get_args(hint)):  # ``FilePath | None`` has the rule of ``FilePath``
            for rule in getattr(part, "__metadata__", ()):
                found[option] = rule
    return found


def path_options(name: str) -> set[str]:
    """Return the options of a dataset that are paths of the user's files; none for an unknown dataset."""
    if name not in DATASETS:
        return set()
    return {option for option, rule in own_rules(name).items() if rule is rules.path}


def parse(name: str, options: Mapping[str, Any]) -> tuple[dict[str, Any], CommonOptions]:
    """Check all options and return the dataset's own and the common ones, in their final types.

    A null means the default where that is null as well, and is an error elsewhere.

    Raises:
        PrecisionError: for an unknown dataset or option, a missing option, or a value against its rule.
    """
    own = DATASETS.options(name)
    for option in options:
        if option not in own and option not in COMMON_RULES:
            known = {*own, *COMMON_RULES}
            raise PlacedError(
                (option,), f"dataset {name!r} has no option {option!r}; {suggest(option, known)}"
            )
    DATASETS.check_options(name, {option: options[option] for option in options if option in own})

    all_rules = COMMON_RULES | own_rules(name)
    parsed: dict[str, Any] = {}
    for option, value in options.items():
        default = own[option].default if option in own else getattr(CommonOptions, option)
        if value is None and default is None:
            continue
        try:
            parsed[option] = (
                all_rules[option](place_of(name, option), value) if option in all_rules else value
            )
        except PrecisionError as error:
            raise PlacedError((option,), str(error)) from None
    common = CommonOptions(**{option: parsed[option] for option in parsed if option in COMMON_RULES})
    _check_against_catalogue(name, common)
    return {option: parsed[option] for option in parsed if option in own}, common


def _check_against_catalogue(name: str, common: CommonOptions) -> None:
    """Refuse already here what a dataset of known content would refuse once it is loaded."""
    entry = ENTRIES.get(name)
    if entry is None:
        return
    if common.classes is not None:
        resolve_classes(place_of(name, "classes"), common.classes, entry.class_names)
    check_size(place_of(name, "train_size"), common.train_size, entry.train)
    check_size(place_of(name, "test_size"), common.test_size, entry.test)


def check_size(place: str, wanted: int | None, available: int) -> None:
    """Refuse to take more images than there are.

    Raises:
        PrecisionError: naming both numbers.
    """
    if wanted is not None and wanted > available:
        raise PrecisionError(
            f"{place} asks for {wanted} images, but there are only {available}; ask for fewer"
        )
