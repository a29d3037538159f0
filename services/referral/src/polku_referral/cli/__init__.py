"""`polku organisation | agreement | client | staff | keys | audit | webhooks …`: who may come in, who
looked at whom, and who is told.
"""

import typer

from polku_referral.cli import agreement, audit, client, codes, keys, organisation, staff, webhooks, xroad

organisation.app.command("xroad")(xroad.register)
app = typer.Typer()
app.add_typer(organisation.app, name="organisation")
organisation.app.command("codes")(codes.codes)
app.add_typer(agreement.app, name="agreement")
app.add_typer(client.app, name="client")
app.add_typer(staff.app, name="staff")
app.add_typer(keys.app, name="keys")
app.add_typer(audit.app, name="audit")
app.add_typer(webhooks.app, name="webhooks")
