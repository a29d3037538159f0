"""The world outside, for the demo, tests and benchmarks: authorities' systems and people at their browsers.

They use nothing but the public surface: OAuth, the JSON API, sign-in pages. All persons are artificial.
"""
