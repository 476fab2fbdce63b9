#!/usr/bin/env bash
# One server of Qwen3-32B on one GPU: serve-1gpu.sh [further arguments of vllm serve]
#   FP8 weights, 33 GB, are the default: they leave most of an 80 GB card to the KV cache.
#   MODEL=Qwen/Qwen3-32B serve-1gpu.sh   for BF16: 66 GB of weights, which leave about 6 GB of an 80 GB card to the cache.
set -euo pipefail

MODEL=${MODEL:-Qwen/Qwen3-32B-FP8}         # the same as engine.model in the config
HOST=${HOST:-127.0.0.1}                    # 0.0.0.0 where others shall reach it: then set VLLM_API_KEY, or trust the network
PORT=${PORT:-8000}
KV_CACHE_DTYPE=${KV_CACHE_DTYPE:-auto}     # fp8: twice the tokens in the cache, a little less exact
MAX_NUM_SEQS=${MAX_NUM_SEQS:-256}          # requests computed at once, if the cache has room for them
MAX_MODEL_LEN=${MAX_MODEL_LEN:-8192}       # tokens of prompt and answer
GPU_MEMORY_UTILIZATION=${GPU_MEMORY_UTILIZATION:-0.92}

export VLLM_NO_USAGE_STATS=1

# No --reasoning-parser: thinking is off, and a parser would look for its end in an answer that has none.
exec vllm serve "$MODEL" \
  --host "$HOST" \
  --port "$PORT" \
  --max-model-len "$MAX_MODEL_LEN" \
  --max-num-seqs "$MAX_NUM_SEQS" \
  --gpu-memory-utilization "$GPU_MEMORY_UTILIZATION" \
  --kv-cache-dtype "$KV_CACHE_DTYPE" \
  --enable-prefix-caching \
  --enable-prompt-tokens-details \
  --structured-outputs-config '{"backend": "xgrammar", "disable_any_whitespace": true}' \
  --generation-config vllm \
  --disable-uvicorn-access-log \
  "$@"
