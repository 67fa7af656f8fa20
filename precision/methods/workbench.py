"""What a worker keeps between trials: the data set, the trained baseline and its traced models."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import precision.data as data
from architectures.given import is_pretrained
from precision import files
from precision.data.shared import shared
from precision.deploy.model_file import weights_of
from precision.errors import PrecisionError, said
from precision.quantization import Policy
from precision.startup import only_the_backend
from precision.trial import Choice, Trial

if TYPE_CHECKING:  # it imports Keras
    from precision.methods.checkpoint import Checkpoint


class Workbench:
    """Builds, loads and re-uses what trials need; every trial starts from its own seed.

    Args:
        data_dir: where the data sets lie; None searches the usual places.
        weights: maps a trial's id to the file of its trained weights.
        report: called with the row of every finished epoch.
        checkpoint: maps a trial's id to the folder from which its training goes on when it was cut off; None
            begins every training anew.
        every: seconds that pass at least from one checkpoint to the next.
        datasets: maps the text of the choice of a data set to the folder where another process has put it
            (see ``data.shared``); the others are loaded here.
        digest: maps a trial's id to the digest of the weights that it trained, which those that are loaded
            have to have; None where it is not known.
        sample: called every second with what the machine does while a trial runs, see
            ``measure.machine.sampler``; from a thread of its own.

    Attributes:
        joules: returns the energy that was used so far, NaN where no trial is measured.
    """

    restores = False  # whether trainings read the weights that they had ended with, see ``methods.restored``

    def __init__(
        self,
        data_dir: Path | None,
        weights: Callable[[str], Path],
        report: Callable[[dict[str, float]], None] = lambda row: None,
        checkpoint: Callable[[str], Path] | None = None,
        every: float = 60.0,
        datasets: Mapping[str, Path] | None = None,
        digest: Callable[[str], str | None] = lambda trial_id: None,
        sample: Callable[[dict[str, float]], None] = lambda row: None,
    ) -> None:
        from precision.methods.traced import Traced

        self.weights = weights
        self._digest = digest
        self.report, self.sample = report, sample
        self.joules: Callable[[], float] = lambda: math.nan
        self._data_dir, self._shared = data_dir, datasets or {}
        self._checkpoint, self._every = checkpoint, every
        self._datasets: dict[str, data.Dataset] = {}
        self._baselines: dict[str, Any] = {}
        self._prepared: dict[tuple[Any, ...], Any] = {}
        self._digests: dict[int, str] = {}  # of both, as they were when they were made, by id
        self._traced = Traced(self.dataset)

    def dataset(self, choice: Choice) -> data.Dataset:
        """Return a data set; the last one is kept."""
        key = repr(choice)
        if key not in self._datasets:
            self._datasets = {key: self._load(choice)}
        return self._datasets[key]

    def _load(self, choice: Choice) -> data.Dataset:
        if repr(choice) in self._shared:
            return shared(self._shared[repr(choice)])
        return data.load(choice.name, data_dir=self._data_dir, **choice.options)

    def augmentation(self, choice: Choice) -> data.Augmentation | None:
        """Return the augmentation of a data set's training images."""
        return data.Augmentation.parse(choice.options.get("augment"))

    def restart(self, trial: Trial) -> None:
        """Start every random stream from the trial's seed, independent of what ran in this process before."""
        import keras

        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            tf.config.experimental.enable_op_determinism()
        with only_the_backend():
            keras.utils.set_random_seed(trial.seed)

    def network(self, trial: Trial) -> Any:
        """Return a freshly initialised float32 network, flat, the same bits for the same seed."""
        import architectures
        from precision.methods.verified import laid_flat

        self.restart(trial)
        dataset = self.dataset(trial.dataset)
        choice = trial.architecture
        model = architectures.build(
            choice.name, dataset.input_shape, dataset.classes, dataset.task, **choice.options
        )
        return laid_flat(trial, model, dataset)

    def baseline(self, trial: Trial) -> Any:
        """Return the trained float32 network that a trial starts from; the last one is kept.

        Raises:
            PrecisionError: when its weights are not those that were trained; their file is set aside.
        """
        key = trial.baseline.id
        if key not in self._baselines:
            self._baselines = {key: self._trained(key, self.network(trial))}
            self._remember()
        return self._baselines[key]

    def _trained(self, key: str, model: Any) -> Any:
        """Load the weights of a trial into its network, and return it."""
        from precision.deploy.predictor import KerasPredictor

        path, wanted = self.weights(key), self._digest(key)
        with path.open("rb") as stream:
            found = os.fstat(stream.fileno())
        try:
            model.load_weights(path)
            if wanted is None or KerasPredictor(model).digest() == wanted:
                return model
            why = "their digest is another one"
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, OSError) and error.errno not in (None, errno.EIO):
                raise  # the system cannot read any file now
            why = said(error)
        with suppress(OSError):
            if os.path.samestat(found, path.stat()):  # and not one that was trained meanwhile
                path.rename(files.draft_of(path))
        raise PrecisionError(
            f"{path}: these are not the weights that float32 network {key} was trained to ({why}); they are "
            "set aside, so that it is trained again"
        )

    def source(self, trial: Trial, policy: Policy) -> Any:
        """Return the trained float32 network that a policy rounds: folded and transformed, if it says so.

        The last one is kept. Transforms begin with every random stream at the trial's seed.

        Raises:
            PrecisionError: for a transform that fails, or returns another network.
        """
        baseline = self.baseline(trial)
        if not policy.fold_batch_norm and not policy.transforms:
            return baseline
        key = (trial.baseline.id, policy.preparation)
        if key not in self._prepared:
            from precision.quantization.calibration.calibrator import calibration_images
            from precision.quantization.transforms.prepared import prepared

            def images() -> Any:
                self.restart(trial)
                dataset = self.dataset(trial.dataset)
                return calibration_images(dataset, policy.images_of(len(dataset.x_train)), trial.seed)

            self._prepared = {key: prepared(baseline, policy, images)}
            self._remember()
        return self._prepared[key]

    def _remember(self) -> None:
        """Note the digests of the networks that are kept."""
        from precision.deploy.predictor import KerasPredictor

        models = {id(model): model for model in (*self._baselines.values(), *self._prepared.values())}
        self._digests = {
            key: self._digests[key] if key in self._digests else KerasPredictor(model).digest()
            for key, model in models.items()
        }

    def unchanged(self) -> bool:
        """Return whether the networks that are kept have the weights that they had; if not, forget them."""
        known = self._digests
        self._digests = {}
        self._remember()
        if self._digests == known:
            return True
        self._baselines, self._prepared, self._digests = {}, {}, {}
        return False

    def is_pretrained(self, trial: Trial) -> bool:
        """Return whether the network of a trial comes with weights that are taken as they are."""
        return is_pretrained(trial.architecture.name, trial.architecture.options)

    def start(self, trial: Trial, policy: Policy, start: str) -> tuple[Any, dict[Any, Any]]:
        """Return the float32 network that a training under a policy begins with, and what calibration sees.

        Every random stream begins from the seed. From ``scratch`` there is nothing to calibrate on.

        Args:
            start: ``baseline`` or ``scratch``.
        """
        from precision.methods.verified import check_trainable

        observed: dict[Any, Any] = {}
        if start == "scratch" and self.is_pretrained(trial):
            raise PrecisionError(
                f"{trial.architecture.words}: the network comes with its weights, but the method "
                f"{trial.method.name} is to start from scratch; take 'start: baseline' there, or for a "
                "keras_file 'start: fresh'"
            )
        if start == "scratch":
            source = self.network(trial)
        else:
            source = self.source(trial, policy)
            observed = self._traced.observed(trial, policy, source)
        check_trainable(source)
        self.restart(trial)
        return source, observed

    def quantised(self, trial: Trial, policy: Policy, source: Any = None) -> Any:
        """Return the baseline of a trial under a policy, calibrated and ready to evaluate.

        Args:
            source: a float32 network of the same layers to take instead; None for that of :meth:`source`.
        """
        return self._traced.model(trial, policy, self.source(trial, policy) if source is None else source)

    @property
    def lost(self) -> dict[str, str]:
        """What calibration has seen that the formats of the last policy do not have, see ``Traced``."""
        return self._traced.lost

    def forget_calibration(self) -> None:
        """Begin anew: nothing is lost of a trial that calibrates nothing."""
        self._traced.lost = {}

    def checkpoint(self, trial: Trial) -> Checkpoint | None:
        """Return what a training goes on from and leaves behind; None when nothing is to be kept."""
        if self._checkpoint is None:
            return None
        from precision.methods.checkpoint import Checkpoint

        return Checkpoint(self._checkpoint(trial.id), trial, self._every)

    def save(self, trial: Trial, model: Any) -> None:
        """Keep the trained weights of a trial; the file appears whole or not at all."""
        path = self.weights(trial.id)
        files.make_folder(path.parent)
        files.write(path, weights_of(model))
