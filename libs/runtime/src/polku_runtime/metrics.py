"""Every metric of the runtime, one line each. A process has one `Metrics` on a registry of its own."""

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest


class Metrics:
    """Names are a contract with dashboards and alerts; labels are codes, never ids."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.records = Counter(
            "polku_records",
            "Records consumed, by what became of them",
            ["service", "outcome"],
            registry=self.registry,
        )
        self.newer_minor = Counter(
            "polku_newer_minor",
            "Events of a newer minor version than known",
            ["service", "type"],
            registry=self.registry,
        )
        self.commit_errors = Counter(
            "polku_commit_errors",
            "Offset commits refused after a rebalance",
            ["service"],
            registry=self.registry,
        )
        self.rebalances = Counter("polku_rebalances", "Partitions revoked", ["service"], registry=self.registry)
        self.published = Counter(
            "polku_events_published", "Events acknowledged by Kafka", ["service"], registry=self.registry
        )
        self.relay_errors = Counter(
            "polku_relay_errors",
            "Relay rounds that failed and are repeated",
            ["service"],
            registry=self.registry,
        )
        self.outbox_age = Gauge(
            "polku_outbox_age_seconds",
            "Age of the oldest unpublished event",
            ["service"],
            registry=self.registry,
        )
        self.webhook_attempts = Counter(
            "polku_webhook_attempts",
            "Posts to webhooks, by what became of them",
            ["outcome"],
            registry=self.registry,
        )
        self.webhook_overdue = Gauge(
            "polku_webhook_overdue_seconds",
            "For how long a delivery to a webhook that is called has been due, at most",
            registry=self.registry,
        )

    def text(self) -> bytes:
        """The exposition format that Prometheus scrapes."""
        return generate_latest(self.registry)
