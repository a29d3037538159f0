"""Polku on one machine without Docker, and the `polku` command."""


class Trouble(SystemExit):
    """Something that a person must mend; the message is one line, the exit code 1."""

    def __init__(self, message: str) -> None:
        super().__init__(f"polku: {message}")
