"""What may go back to a sender, by the agreement with it."""

from polku_referral.model.telling import RETURNS


async def what_returns(organisation_id: str) -> frozenset[str]:
    """Keys of RETURNS. Without an agreement that says otherwise a sender hears all of it."""
    del organisation_id
    return frozenset(RETURNS)
