"""What tests share. No test touches the network; weights come from installed packages, caches from a folder of ours."""

import os

from hypothesis import settings

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"

# The same examples each time, and no time-out per example: a machine that is busy must not turn a build red.
settings.register_profile("synth", derandomize=True, deadline=None)
settings.load_profile("synth")
