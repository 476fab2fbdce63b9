#!/usr/bin/env bash
# Stage 2, supervised: the rows of high cosine; hard negatives join those of the batch.
#
#   NPROC_PER_NODE=8 recipes/qwen3_embedding/stage2.sh DATA MODEL OUT [more arguments of swift sft]
#
# DATA is OUT/stage2 of data.sh, MODEL the last checkpoint of stage 1. Its checkpoints are kept: merge.sh merges the last two.
set -euo pipefail
data=${1:?folder of train.jsonl and validation.jsonl} model=${2:?a model} out=${3:?a folder for checkpoints}
shift 3

# InfoNCE as in the paper: queries against passages, queries and passages of the batch (QQ, DD); what is more than 0.1 nearer
# to the query than its positive is masked.
export INFONCE_USE_BATCH=true INFONCE_INCLUDE_QQ=true INFONCE_INCLUDE_DD=true
export INFONCE_MASK_FAKE_NEGATIVE=true INFONCE_FAKE_NEG_MARGIN=0.1
# Rows with more or fewer negatives are cut, or have some of theirs repeated: batches of equal shape are much faster.
export INFONCE_HARD_NEGATIVES=${INFONCE_HARD_NEGATIVES:-7}
export INFONCE_TEMPERATURE=${INFONCE_TEMPERATURE:-0.02}

# A row with a text of more tokens is dropped, and said: cut at its end, a text would lose the token that is pooled.
swift sft \
  --model "$model" --model_type qwen3_emb --template qwen3_emb \
  --task_type embedding --loss_type infonce --tuner_type full --torch_dtype bfloat16 \
  --dataset "$data/train.jsonl" --val_dataset "$data/validation.jsonl" \
  --max_length 1024 --truncation_strategy delete \
  --num_train_epochs 1 --per_device_train_batch_size 32 --per_device_eval_batch_size 32 --dataloader_drop_last true \
  --learning_rate 6e-6 --warmup_ratio 0.05 --lr_scheduler_type cosine --weight_decay 0.01 --seed 7 \
  --eval_strategy steps --eval_steps 0.2 --save_steps 0.2 --save_total_limit 5 --logging_steps 10 \
  --add_version false --output_dir "$out" "$@"
