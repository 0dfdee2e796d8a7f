"""Shared settings of the tests."""

import signal

import hypothesis

hypothesis.settings.register_profile("default", deadline=None, max_examples=60, derandomize=True)
hypothesis.settings.load_profile("default")
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what runs in the background without it
