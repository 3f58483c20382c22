#!/usr/bin/env bash
# The tests in environments beside .venv: `pythons` (each of PYTHONS that is here, in .venv-3.N), and `lowest`
# (each package at the lowest version that pyproject.toml accepts, in .venv-lowest, on Python 3.11).
# What follows are pytest-xdist's options.
set -euo pipefail
cd "$(dirname "$0")/.."

main() {
    local what=${1:-}
    xdist=("${@:2}")
    case "$what" in
        pythons) on_every_python ;;
        lowest) on_lowest_versions ;;
        *) echo "Say pythons or lowest." >&2 && exit 2 ;;
    esac
}

on_every_python() {
    local version told=() status=0
    for version in ${PYTHONS:-3.11 3.12 3.13 3.14}; do
        if ! "python$version" -c "" 2>/dev/null; then
            told+=("Python $version: not here")
        elif make_environment "python$version" ".venv-$version" dev && tests_pass ".venv-$version"; then
            told+=("Python $version: passed")
        else
            told+=("Python $version: FAILED")
            status=1
        fi
    done
    printf '%s\n' "${told[@]}"
    return "$status"
}

on_lowest_versions() {
    local constraints=build/lowest.txt
    mkdir -p build
    { grep '^torch==' constraints.txt && .venv/bin/python .ci/lowest.py; } >"$constraints"
    AVSEARCH_CONSTRAINTS=$constraints make_environment python3.11 .venv-lowest test
    tests_pass .venv-lowest --ignore tests/quality  # the linters want newer packages, and judge the newest
}

make_environment() {
    export PYTHON=$1 AVSEARCH_VENV=$2 AVSEARCH_GROUP=$3
    bash .ci/setup.sh package cpu && bash .ci/setup.sh tools
}

tests_pass() {
    local venv=$1
    shift
    "$venv/bin/python" -m pytest -m "not slow" "${xdist[@]}" "$@"
}

main "$@"
