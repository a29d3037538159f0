"""The way back to addresses that senders have given: signed, in order, again and again."""
