#!/usr/bin/env bash
# What the tests were passed with: `lock` pins it anew, with hashes, for Python 3.11 on Linux and x86-64; `audit` asks
# whether anything in it is known to be vulnerable. Their tools are in .venv-tools.
set -euo pipefail
cd "$(dirname "$0")/.."
LOCK=requirements-test.lock

main() {
    case "${1:-}" in
        lock) lock ;;
        audit) audit ;;
        *) echo "Say lock or audit." >&2 && exit 2 ;;
    esac
}

lock() {
    have uv
    UV_CUSTOM_COMPILE_COMMAND="make lock" .venv-tools/bin/uv pip compile --quiet --upgrade --no-annotate --generate-hashes \
        --python-version 3.11 --python-platform x86_64-manylinux_2_28 --constraint constraints.txt \
        --extra cpu --group dev --group milvus --output-file "$LOCK" pyproject.toml
    echo "$LOCK: $(grep -c '^[a-z]' "$LOCK") packages. Run make licences as well."
}

audit() {
    have pip-audit
    .venv-tools/bin/pip-audit --strict --disable-pip --require-hashes --requirement "$LOCK"
}

# A tool of its own environment, which is made where it is not there yet.
have() {
    [ -x ".venv-tools/bin/$1" ] && return
    [ -x .venv-tools/bin/python ] || "${PYTHON:-python3}" -m venv .venv-tools
    .venv-tools/bin/python -m pip install --quiet --disable-pip-version-check "$1"
}

main "$@"
