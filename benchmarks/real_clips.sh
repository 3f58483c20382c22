#!/usr/bin/env bash
# The table of docs/benchmarks.md on real clips: train, index and evaluate with both recipes.
# Usage: benchmarks/real_clips.sh DATA OUT [MINUTES]   (DATA holds manifest.csv and the clips)
set -euo pipefail
data=$1 out=$2 minutes=${3:-10}
mkdir -p "$out"
labels=(--manifest "$data/manifest.csv" --label-column class --group photo,recordings)

for recipe in ave-nce ave; do
    model=$out/run-$recipe/encoder.safetensors
    avsearch train "$data" --manifest "$data/manifest.csv" --recipe "$recipe" --minutes "$minutes" \
        --out "$out/run-$recipe" --cache "$out/cache"
    avsearch index "$data" --manifest "$data/manifest.csv" --library "$out/lib-$recipe" --model "$model"
    avsearch evaluate "${labels[@]}" --library "$out/lib-$recipe" --report "$out/report-$recipe-library"
    avsearch evaluate "${labels[@]}" --model "$model" --report "$out/report-$recipe-paper"
done
