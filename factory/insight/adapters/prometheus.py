"""Families of samples as Prometheus reads them."""

from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from factory.insight.rules.measures import Family, Sample

MEDIA_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4


def exposition(families: Iterable[Family]) -> bytes:
    """Return the text that a scraper reads."""
    return generate_latest(_Told(tuple(families)))


class _Told(Collector):
    def __init__(self, families: tuple[Family, ...]) -> None:
        self.families = families

    def collect(self) -> Iterator[Metric]:
        for family in self.families:
            metric = Metric(family.name, family.words, family.kind)
            for sample in family.samples:
                _add(metric, family, sample)
            yield metric


def _add(metric: Metric, family: Family, sample: Sample) -> None:
    labels = dict(sample.labels)
    if family.kind == "counter":
        metric.add_sample(f"{family.name}_total", labels, sample.value)
    elif family.kind == "gauge":
        metric.add_sample(family.name, labels, sample.value)
    else:
        for bound, count in sample.within:
            metric.add_sample(f"{family.name}_bucket", {**labels, "le": str(bound)}, count)
        metric.add_sample(f"{family.name}_bucket", {**labels, "le": "+Inf"}, sample.count)
        metric.add_sample(f"{family.name}_count", labels, sample.count)
        metric.add_sample(f"{family.name}_sum", labels, sample.value)
