#!/bin/sh
# Run the files that a grid deployed on an emulated aarch64 processor, and bring home how far they agree with
# this machine: in whose report they fill the column aarch64 and the section of other machines.
#
#     tools/agreement.sh                             experiments/deployment.yaml, whose trials are in runs
#     tools/agreement.sh GRID --only policy=int8     another one; options are those of precision bundle
#
# STORE, AARCH64 and PRECISION say where the store, the folder that aarch64.sh set up, and the command are.
set -eu

STORE=${STORE:-runs}
AARCH64=${AARCH64:-build/aarch64}
PRECISION=${PRECISION:-precision}
GRID=${1:-experiments/deployment.yaml}
[ $# -eq 0 ] || shift

if [ ! -x "$AARCH64/python" ]; then
    echo "agreement.sh: there is no emulated processor in $AARCH64; make aarch64 sets it up" >&2
    exit 2
fi
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

"$PRECISION" bundle "$GRID" "$WORK/bundle" --store "$STORE" "$@"
"$AARCH64/python" "$WORK/bundle/run.py" --name "emulated aarch64" --output "$WORK/results.json"
"$PRECISION" results import "$WORK/results.json" --store "$STORE"
