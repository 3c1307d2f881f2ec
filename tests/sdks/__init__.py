"""The vendors' published SDKs, driven with their default settings against a running server."""

import pytest

pytest.register_assert_rewrite(f"{__name__}.harness")
