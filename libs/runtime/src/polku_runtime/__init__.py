"""What every Polku service needs once: outbox, relay, runner, dead letters, health, access.

A service uses: `aggregates.Aggregates`, `dispatch.each`, `outcomes`, `worker.Worker`, `process.main`,
`settings.Settings`, `mongo`, `effects`, `access`. The rest is how these work inside.
"""
