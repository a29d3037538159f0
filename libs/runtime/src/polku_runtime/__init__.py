"""What every Polku service needs once: outbox, relay, runner, dead letters, health, access."""
