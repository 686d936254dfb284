"""``wetread work --replicas N``: workers as replicas of Ray Serve, on this machine or on those of a Ray cluster.

A replica does what `wetread work` does: it claims reads from the database and takes series from the archive, so nothing
of an image or a patient passes through Ray. Ray Serve spreads the replicas over the machines, asks each for its health
and starts a dead one again; the lease of a read that died with it runs out, and another replica takes the read up.
"""

from __future__ import annotations

import copy
import os
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any

from wetread.commands.work import work
from wetread.errors import RefusedInput

if TYPE_CHECKING:
    import argparse

APPLICATION = "wetread"
_STOP_SECONDS = 30.0
_HEALTH_SECONDS = 5.0
_LOOK_SECONDS = 1.0


class Replica:
    """One worker process of the cluster.

    Args:
        options: the arguments of `wetread work`.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        from wetread.archive import open_archive
        from wetread.commands.loading import make_switching_reader

        archive = open_archive(options.archive)
        reader: Any = make_switching_reader(options, archive)
        self._leave = threading.Event()
        self._thread = threading.Thread(
            target=work, args=(archive, reader, options.database, options.workers, self._leave),
            kwargs={"time_limit": options.time_limit}, daemon=True, name="wetread-replica",
        )  # fmt: skip
        self._thread.start()

    def __call__(self) -> int:
        """Process number: who is there."""
        return os.getpid()

    def check_health(self) -> None:
        """Asked by Ray Serve; a replica that raises is replaced."""
        if not self._thread.is_alive():
            raise RuntimeError("the worker has ended; the replica's log names the place")

    def __del__(self) -> None:
        """Reads under way go back to the queue at their next token."""
        self._leave.set()
        self._thread.join(_STOP_SECONDS)


def start(options: argparse.Namespace) -> Any:
    """Connect to the cluster, or begin one on this machine, and start the replicas.

    Args:
        options: of `wetread work`, with `replicas`, `ray` (address of a cluster; None begins one on this machine, which
            takes work from nobody else) and `replica_gpus`.

    Returns:
        Ray Serve's handle to the replicas.

    Raises:
        RefusedInput: Ray is not installed, or its cluster does not answer.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if not options.ray and "RAY_AUTH_MODE" not in os.environ:
        # Ray's processes listen on every interface whatever address is asked for; nobody else shall give them work.
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    try:
        import ray
        from ray import serve
    except ImportError as error:
        raise RefusedInput("Ray is not installed", "--replicas", "pip install 'wetread[ray]'") from error
    where: dict[str, Any] = {"address": options.ray} if options.ray else {
        "address": "local", "_node_ip_address": "127.0.0.1", "include_dashboard": False,
        "num_cpus": max(options.replicas, os.cpu_count() or 1)}  # fmt: skip
    try:
        ray.init(logging_level="error", log_to_driver=False, **where)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise RefusedInput(
            f"no Ray cluster answers ({type(error).__name__})", str(options.ray or "this machine"),
            "start one with: ray start --head",
        ) from error  # fmt: skip
    given = copy.copy(options)
    del given.run  # belongs to the command line
    serve.start(proxy_location="Disabled", logging_config={"log_level": "ERROR"})  # nothing is asked over HTTP
    workers = serve.deployment(
        Replica, name="workers", num_replicas=options.replicas, health_check_period_s=_HEALTH_SECONDS,
        graceful_shutdown_timeout_s=_STOP_SECONDS,
        ray_actor_options={"num_cpus": 1, "num_gpus": options.replica_gpus},
    )  # fmt: skip
    return serve.run(workers.bind(given), name=APPLICATION, route_prefix=None)


def stop() -> None:
    """End the replicas, and what was begun on this machine for them."""
    import ray
    from ray import serve

    serve.delete(APPLICATION)
    ray.shutdown()


def run(options: argparse.Namespace, leave: threading.Event) -> None:
    """Keep the replicas until `leave` is set."""
    from wetread.commands.serve import announce

    start(options)
    announce(f"{options.replicas} replica(s) of {options.workers} worker(s) on Ray Serve (Ctrl-C stops)")
    while not leave.is_set():
        time.sleep(_LOOK_SECONDS)
    stop()
