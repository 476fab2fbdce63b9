#!/usr/bin/env bash
# Eight GPUs in one box, one address: serve-8gpu.sh [further arguments of vllm serve]
#   Eight copies of the FP8 weights, one per GPU. vLLM gives each request to one of them.
#   MODEL=Qwen/Qwen3-32B TENSOR_PARALLEL=2 serve-8gpu.sh   four copies in BF16, two GPUs each.
set -euo pipefail

GPUS=${GPUS:-8}
TENSOR_PARALLEL=${TENSOR_PARALLEL:-1}      # GPUs of one copy: as few as hold the weights and a cache

if ((TENSOR_PARALLEL < 1 || GPUS % TENSOR_PARALLEL)); then
  echo "serve-8gpu: GPUS=$GPUS is no multiple of TENSOR_PARALLEL=$TENSOR_PARALLEL" >&2
  exit 2
fi

exec "$(dirname "${BASH_SOURCE[0]}")/serve-1gpu.sh" \
  --tensor-parallel-size "$TENSOR_PARALLEL" \
  --data-parallel-size "$((GPUS / TENSOR_PARALLEL))" \
  "$@"
