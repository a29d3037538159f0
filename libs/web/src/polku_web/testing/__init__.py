"""For the tests of services: people who sign in and fill forms, and what every OpenAPI document must hold."""

from polku_web.testing.forms import Form, fields_of, text_of
from polku_web.testing.people import Person, SignIn, employ, signing_in

__all__ = ["Form", "Person", "SignIn", "employ", "fields_of", "signing_in", "text_of"]
