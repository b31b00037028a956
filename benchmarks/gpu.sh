#!/bin/sh
# All that is checked and measured on a GPU, in one call of about seven minutes on an H100:
#   sh benchmarks/gpu.sh OUT_DIR
# Each part goes on where another failed; what was printed is in OUT_DIR too. PYTHON names another interpreter.
out=${1:?usage: gpu.sh OUT_DIR}
python=${PYTHON:-python}
cd "$(dirname "$0")/.." && mkdir -p "$out" || exit 1
part() {
    name=$1 && shift
    echo "== $name"
    start=$(date +%s)
    timeout "${LIMIT:-150}" "$@" >"$out/$name.log" 2>&1
    echo "exit $? after $(($(date +%s) - start)) s" | tee -a "$out/$name.log"
    tail -n "${LINES_SHOWN:-60}" "$out/$name.log"
}
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
part tests "$python" -m pytest -m gpu -q -W default tests/data tests/final tests/training
for what in steps capture stacked packing; do
    part "$what" "$python" -W ignore benchmarks/gpu_speed.py "$what" "$out/$what.json"
done
part cuda_graph "$python" -W ignore benchmarks/cuda_graph.py "$out/cuda_graph.json"
# A real search: eight trials on one GPU, and the final run.
part search "$python" -m sesemi_search run space=lenet_cosine run.gpus=0.125 tracking=none search.dir="$out/search"
part final "$python" -m sesemi_search train --config-dir "$out/search" --config-name best run.dir="$out/final" tracking=none
