"""What tests share. No test touches the network; weights come from installed packages, caches from a folder of ours."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
