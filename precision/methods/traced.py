"""Traced networks under policies: the next policy of the same structure only changes weights and formats."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from precision.data import Dataset
from precision.methods.training import prepare
from precision.methods.verified import verify
from precision.quantization import Policy, Setting, apply, assign, calibrated, structure
from precision.quantization.calibration.calibrator import Calibrator, calibration_images
from precision.quantization.calibration.observers import needs_values
from precision.quantization.calibration.statistics import Statistics
from precision.quantization.negatives import lost_negatives
from precision.trial import Choice, Trial


class Traced:
    """The networks of one architecture at a time, and what calibration sees of them.

    Args:
        dataset: returns a data set, from whose training images those of calibration are chosen.
        models: how many traced models are kept, those used last; None for all.
        revisits: whether earlier networks and policies come back, so that everything that was observed is
            kept, and all is counted that any observer asks for; otherwise that of the last network is kept.
        switchable: whether every quantizer of the models can be switched off.

    Attributes:
        lost: what the last policy makes of negative values for which its formats have none, by layer.
    """

    def __init__(
        self,
        dataset: Callable[[Choice], Dataset],
        *,
        models: int | None = None,
        revisits: bool = False,
        switchable: bool = False,
    ) -> None:
        self._dataset, self._limit = dataset, models
        self._revisits, self._switchable = revisits, switchable
        self._calibrators: dict[Any, Calibrator] = {}
        self._network: tuple[Any, ...] = ()
        self._models: OrderedDict[Any, Any] = OrderedDict()  # of that network, by structure
        self.lost: dict[str, str] = {}

    def observed(self, trial: Trial, policy: Policy, source: Any) -> dict[tuple[str, str], Statistics]:
        """Return what calibration sees of the tensors whose range a policy wants to know, by layer and slot.

        The images are training images, the same for every policy of a seed.

        Args:
            source: the trained float32 network of the trial, prepared as the policy says.
        """
        wanted = calibrated(source, policy)
        if not wanted:
            self.lost = lost_negatives(source, policy, {})
            return {}
        key = (id(source), repr(trial.dataset), policy.images, trial.seed)
        if key not in self._calibrators:
            dataset = self._dataset(trial.dataset)
            images = calibration_images(dataset, policy.images_of(len(dataset.x_train)), trial.seed)
            if not self._revisits:
                self._calibrators.clear()
            self._calibrators[key] = Calibrator(source, images)  # which keeps the network, and so its id
        values = self._revisits or any(
            needs_values(s.scaling.observer) for _, s in policy.settings() if isinstance(s, Setting)
        )
        found = self._calibrators[key].statistics(wanted, values=values)
        self.lost = lost_negatives(source, policy, found)
        return found

    def model(self, trial: Trial, policy: Policy, source: Any) -> Any:
        """Return the network of a trial under a policy, calibrated and compiled; valid until the next call.

        Args:
            source: as of :meth:`observed`.
        """
        observed = self.observed(trial, policy, source)
        network = (repr(trial.architecture), source.input_shape, source.output_shape)
        if self._network != network:
            self._network, self._models = network, OrderedDict()
        key = (policy.fold_batch_norm, structure(source, policy))
        if key in self._models:
            self._models.move_to_end(key)
            assign(self._models[key], source, policy, trial.seed, observed=observed)
            return self._models[key]
        while self._limit is not None and len(self._models) >= self._limit:
            self._models.popitem(last=False)
        model = apply(source, policy, trial.seed, observed=observed, switchable=self._switchable)
        verify(trial, source, model, self._dataset(trial.dataset))
        prepare(model)
        self._models[key] = model
        return model
