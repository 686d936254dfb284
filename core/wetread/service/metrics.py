"""What Prometheus is told: counted in the database at each look, so that it is true for every process on it.

Nothing in it names a patient, a person or a study.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from wetread.records.times import moment
from wetread.service.backing import READ
from wetread.service.jobs import JobState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from wetread.service.backing import Backing


def metrics(backing: Backing) -> tuple[bytes, str]:
    """The text of ``/metrics`` and its media type."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(backing))
    return generate_latest(registry), CONTENT_TYPE_LATEST


class _Collector:
    def __init__(self, backing: Backing) -> None:
        self._backing = backing

    def collect(self) -> Iterator[Metric]:
        """Everything, at this moment (prometheus_client's protocol)."""
        queue = self._backing.queue
        jobs = GaugeMetricFamily("wetread_jobs", "Jobs by kind and UPS state.", labels=["kind", "state"])
        for (kind, state), count in sorted(queue.counts().items()):
            jobs.add_metric([kind, state], count)
        yield jobs
        waits = [moment(job.created) for job in queue.open(READ) if job.state is JobState.SCHEDULED]
        oldest = (datetime.now(UTC) - min(waits)).total_seconds() if waits else 0.0
        yield GaugeMetricFamily("wetread_oldest_waiting_read_seconds", "How long the oldest waiting read waits.",
                                value=oldest)  # fmt: skip
        count, seconds = queue.taken(READ)
        yield SummaryMetricFamily("wetread_read_seconds", "From start to end of the reads that are COMPLETED.",
                                  count_value=count, sum_value=seconds)  # fmt: skip
        outbox = GaugeMetricFamily("wetread_outbox_objects", "Objects for the archive by state.", labels=["state"])
        for state, number in sorted(self._backing.outbox.counts().items()):
            outbox.add_metric([state], number)
        yield outbox
        yield CounterMetricFamily(
            "wetread_ledger_entries", "Entries of the ledger.", value=self._backing.ledger.head()[0]
        )
