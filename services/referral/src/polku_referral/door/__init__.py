"""Who comes in: people who sign in, machines that prove a key."""
