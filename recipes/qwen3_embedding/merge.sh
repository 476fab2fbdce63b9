#!/usr/bin/env bash
# Stage 3: slerp between two checkpoints of stage 2, by mergekit (requirements/trainers-recipes.txt).
#
#   recipes/qwen3_embedding/merge.sh CHECKPOINT CHECKPOINT OUT
set -euo pipefail
first=$(realpath "${1:?a checkpoint}") second=$(realpath "${2:?another checkpoint}") out=${3:?a folder for the merged model}

plan=$(mktemp --suffix .yaml)
trap 'rm -f "$plan"' EXIT
cat > "$plan" <<END
merge_method: slerp
base_model: "$first"
models:
  - model: "$first"
  - model: "$second"
parameters: {t: 0.5}
dtype: float32
out_dtype: bfloat16
END
mergekit-yaml "$plan" "$out"

# How sentence-transformers pools and asks: files without weights, which mergekit does not know.
for file in modules.json config_sentence_transformers.json 1_Pooling; do
  if [ -e "$first/$file" ]; then cp -r "$first/$file" "$out/"; fi
done
