"""A program that uses `whisperr` as an app would: two flushes with a pause between them, and a shutdown at the end."""

import os

from whisperr import Whisperr

from mockserver import MockServer

PAUSE_S = 3.5
"""Longer than the pause after which a rule takes a request for a flush of its own."""

url, key = os.environ["MOCKSERVER_URL"], os.environ["MOCKSERVER_KEY"]
client = Whisperr(api_key=key, base_url=url, app_version="1.0")
client.track("user_1", "trial_started")
client.track("user_1", "plan_chosen", {"plan": "pro"})
client.flush()
server, _, session = url.rpartition("/_mock/s/")
with MockServer.connect(server, session=session) as held:
    held.wait_until_quiet(PAUSE_S, timeout=60)
client.track("user_2", "trial_started")
client.identify("user_2", traits={"plan": "pro"}, email="ada@acme.example")
client.flush()
client.shutdown()
