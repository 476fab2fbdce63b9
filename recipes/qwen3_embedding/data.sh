#!/usr/bin/env bash
# The rows of both stages, from one run: a changed setting repeats only what comes after it, so nothing is generated twice.
#
#   recipes/qwen3_embedding/data.sh CONFIG OUT
#
# Stage 1, OUT/stage1: all that the rules and deduplication left, whatever its cosine, without hard negatives.
# Stage 2, OUT/stage2: what reaches the cosine and rank of the config (the paper: 0.7), with its hard negatives.
set -euo pipefail
config=${1:?a config, e.g. configs/qwen3-32b.yaml} out=${2:?a folder for the rows}

weak=(--set score.min_cosine=null --set score.min_quantile=null --set score.max_rank=null
      --set negatives.per_query=0 --set negatives.minimum=0)
synth run "$config" "${weak[@]}"
synth export "$config" "${weak[@]}" --format swift_embedding --negatives 0 --out "$out/stage1"

synth run "$config"
synth export "$config" --format swift_embedding --out "$out/stage2"
