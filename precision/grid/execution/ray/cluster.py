"""A Ray cluster: how to get to it, how many trials it has room for, and what a process on it reserves."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import sys
import time
import warnings
from typing import Any

from precision.errors import PrecisionError
from precision.grid.execution.options import RunOptions, default_threads
from precision.measure.machine.processor import cores
from precision.trial import Trial

LOCAL = "local"  # Ray's name for a new cluster of this machine
FRESH = 2.0  # seconds for which what is known of the nodes is believed


class Cluster:
    """The connection of this process to a cluster; one that was there before stays."""

    def __init__(self, options: RunOptions) -> None:
        self._address = options.ray_address or os.environ.get("RAY_ADDRESS") or LOCAL
        self._set = _shut_off() if self._address == LOCAL else []
        try:
            import ray
        except ImportError:
            raise PrecisionError(
                "--executor ray needs the package ray, which is not installed; pip install 'precision[ray]'"
            ) from None
        self.ray: Any = ray
        self.trusted: set[str] = set()  # nodes that had the code and the versions of this process
        self._options = options
        self._looked = float("-inf")
        self._nodes: list[dict[str, Any]] = []
        self._mine = not ray.is_initialized()
        self._printer: Any = None

    def connect(self) -> None:
        """Join the cluster of the options or of RAY_ADDRESS; without any start one on this machine.

        Raises:
            PrecisionError: when there is none at the address, or one that has no room for any trial.
        """
        address = self._address
        if address.startswith("ray://"):
            raise PrecisionError(
                f"--ray-address is auto or a node of the cluster such as 10.0.0.1:6379, but got {address!r}; "
                "run the command on a machine that has joined the cluster with 'ray start'"
            )
        if self._mine:
            self._init(address)
        if self.room() == 0 and self._options.jobs == 1:
            wanted = demand(None, self._options)
            nodes = ", ".join(_said(node["Resources"]) for node in self.nodes()) or "none is alive"
            self.disconnect()
            raise PrecisionError(
                f"a trial reserves {_said(wanted)}, which no node of the Ray cluster has ({nodes}); "
                "reserve less, or add nodes"
            )

    def _init(self, address: str) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_worker_niceness", "0")  # it is what the user waits for
        if address == LOCAL:
            with contextlib.suppress(ImportError):
                import ray._private.ray_constants as constants

                constants.ENABLE_RAY_CLUSTER = False  # where Ray was imported before it could be told
        local = {"include_dashboard": False, "num_cpus": len(cores())} if address == LOCAL else {}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **local)
        except (ConnectionError, ValueError, RuntimeError, OSError) as error:
            text = " ".join(str(error).split())[:200]
            raise PrecisionError(
                f"no Ray cluster can be reached at --ray-address {address} ({text}); "
                "'ray start --head' starts one and prints its address"
            ) from None
        self._quiet()

    def disconnect(self) -> None:
        """Leave the cluster, and end it if it was started here."""
        for name in self._set:
            os.environ.pop(name, None)
        if self._mine and self.ray.is_initialized():
            self.ray.shutdown()
            if self._printer is not None:
                import ray._private.worker as internals

                internals.print_to_stdstream = self._printer

    def nodes(self) -> list[dict[str, Any]]:
        """Return the nodes that are alive."""
        if time.monotonic() - self._looked > FRESH:
            self._nodes = self.ray.nodes()
            self._looked = time.monotonic()
        return [node for node in self._nodes if node["Alive"]]

    def alive(self, node_id: str) -> bool:
        """Return whether a node is alive, as far as the cluster knows by now."""
        return any(node["NodeID"] == node_id and node["Alive"] for node in self.ray.nodes())

    def room(self) -> int:
        """Return how many trials the nodes could run at a time, if nothing else ran there."""
        wanted = {key: value for key, value in demand(None, self._options).items() if value}
        return sum(
            int(min(node["Resources"].get(key, 0.0) // value for key, value in wanted.items()))
            for node in self.nodes()
        )

    def here(self) -> Any:
        """Return the strategy that starts something on the node of this process."""
        return self.on(self.ray.get_runtime_context().get_node_id())

    def on(self, node_id: str) -> Any:
        """Return the strategy that starts something on one node and nowhere else."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return NodeAffinitySchedulingStrategy(node_id, soft=False)

    def _quiet(self) -> None:
        """Drop the logs of dead processes that Ray prints on standard output; the run says what matters."""
        with contextlib.suppress(ImportError, AttributeError):
            import ray._private.worker as internals

            self._printer = internals.print_to_stdstream
            internals.print_to_stdstream = lambda *_, **__: None


def _shut_off() -> list[str]:
    """Tell Ray to start a cluster that only processes of this user on this machine can join.

    Whoever can reach a cluster can run code on it. Its ports are those of the loopback, as on systems where
    Ray has no clusters of several machines, and they ask for a token, which this process and its children
    have.

    Returns:
        The environment variables that were set; what the user has set stays.
    """
    wanted = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    if "ray" not in sys.modules and "RAY_AUTH_MODE" not in os.environ:  # which it reads when it is imported
        wanted |= {"RAY_AUTH_MODE": "token"}
        if "RAY_AUTH_TOKEN_PATH" not in os.environ:
            wanted |= {"RAY_AUTH_TOKEN": secrets.token_hex(32)}
    new = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(new)
    return list(new)


def demand(trial: Trial | None, options: RunOptions) -> dict[str, float]:
    """Return what a trial reserves, or what any does, by Ray's names of resources."""
    threads, device = (trial.runtime.threads, trial.runtime.device) if trial else (None, None)
    cpus = options.cpus if options.cpus is not None else threads or default_threads()
    return {
        "CPU": float(cpus),
        "GPU": options.gpus or (1.0 if device == "gpu" else 0.0),
        "memory": float(options.memory_limit or 0),
    }


def reservation(trial: Trial, options: RunOptions) -> dict[str, Any]:
    """Return the options of the actor that runs a trial.

    It gets as many threads for the linear algebra of NumPy as this process has, because bits may depend on
    them; Ray would make it the number of reserved CPUs.
    """
    wanted = demand(trial, options)
    omp = os.environ.get("OMP_NUM_THREADS", str(len(cores())))
    return {
        "num_cpus": wanted["CPU"],
        "num_gpus": wanted["GPU"],
        "memory": int(wanted["memory"]) or None,
        "max_restarts": 0,
        "max_task_retries": 0,
        "runtime_env": {"env_vars": {"OMP_NUM_THREADS": omp}},
    }


def _said(resources: dict[str, float]) -> str:
    memory = resources.get("memory", 0.0)
    words = [f"{resources.get('CPU', 0.0):g} CPUs"]
    words += [f"{resources['GPU']:g} GPUs"] if resources.get("GPU") else []
    words += [f"{memory / 2**30:.1f} GiB"] if memory else []
    return " and ".join(words)
