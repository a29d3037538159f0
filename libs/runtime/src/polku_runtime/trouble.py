"""Telling infrastructure trouble (wait and repeat) from an error in a record or in our code."""

from aiokafka.errors import KafkaError

from polku_runtime.mongo import is_unavailable


def is_infrastructure(error: BaseException) -> bool:
    """True when the same work may succeed later without any change: database, broker or network."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_infrastructure(inner) for inner in error.exceptions)
    return is_unavailable(error) or isinstance(error, (KafkaError, ConnectionError, TimeoutError))


def name_of(error: BaseException) -> str:
    """The class names alone: a message may carry data about a person."""
    if isinstance(error, BaseExceptionGroup):
        return "+".join(sorted({name_of(inner) for inner in error.exceptions}))
    return type(error).__name__
