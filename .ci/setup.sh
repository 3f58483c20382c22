#!/usr/bin/env bash
# The set-up behind the Makefile: `system` (ffmpeg), `package cpu|gpu` (.venv with avsearch), `tools` (for the tests),
# `postgres` (a server that the tests start for themselves), `browser` (Chromium, which drives the page).
# AVSEARCH_VENV, _CONSTRAINTS and _GROUP name another environment, other pins, other tools; elsewhere.sh does so.
set -euo pipefail
cd "$(dirname "$0")/.."
VENV=${AVSEARCH_VENV:-.venv}
CONSTRAINTS=${AVSEARCH_CONSTRAINTS:-constraints.txt}

main() {
    case "${1:-} ${2:-}" in
        "system ") require_ffmpeg ;;
        "package cpu" | "package gpu") install_package "$2" ;;
        "tools ") install_tools ;;
        "quality ") install_quality ;;
        "postgres ") require_postgres ;;
        "browser ") require_browser ;;
        *) fail "EXTRA is cpu or gpu." ;;
    esac
}

require_ffmpeg() {
    command -v ffmpeg >/dev/null && command -v ffprobe >/dev/null || install_from_system ffmpeg
    local version
    version=$(ffmpeg -version | sed -n '1s/^ffmpeg version n\{0,1\}\([0-9]*\.[0-9]*\).*/\1/p')  # empty: built from git
    [ "$(printf '%s\n' 5.1 "${version:-5.1}" | sort -V | head -n 1)" = 5.1 ] ||
        fail "ffmpeg $version is too old; install ffmpeg 5.1 or newer."
}

require_postgres() {
    has_postgres && return
    local package=postgresql
    if command -v dnf >/dev/null; then package=postgresql-server; fi
    install_from_system "$package"
    has_postgres || fail "$package is installed, but brought no initdb; install the PostgreSQL server."
}

require_browser() { command -v chromium >/dev/null || install_from_system chromium; }

# As tests/postgres.py looks for it: Debian keeps it off the path.
has_postgres() { command -v initdb >/dev/null || compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null; }

install_package() {
    local extra=$1 other=cpu
    [ "$extra" = gpu ] || other=gpu
    rm -f "$VENV"/.installed-*
    make_venv
    say "Installing avsearch and torch into $VENV ($extra); the download can take minutes."
    quietly "$VENV/bin/python" -m pip uninstall --yes "faiss-$other" faiss-gpu-cuvs  # all own the module faiss
    if [ "$extra" = gpu ]; then quietly "$VENV/bin/python" -m pip uninstall --yes milvus-lite; fi  # it wants faiss-cpu
    pip_install --editable ".[$extra]" ||
        fail "The packages could not be installed.$([ "$extra" = cpu ] || echo " Without the GPU: make EXTRA=cpu")"
    touch "$VENV/.installed-$extra"
}

install_tools() {
    say "Installing the test tools into $VENV."
    local groups=(--group "${AVSEARCH_GROUP:-dev}")
    if [ -e "$VENV"/.installed-cpu ]; then groups+=(--group milvus); fi  # milvus-lite brings faiss-cpu
    pip_install 'pip>=25.1' && pip_install "${groups[@]}" || fail "The test tools could not be installed."
    touch "$VENV"/.installed-tools
}

install_quality() {
    say "Installing what tests the tests into .venv."
    pip_install --group quality || fail "What tests the tests could not be installed."
    touch .venv/.installed-quality
}

make_venv() {
    if "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then return; fi
    local python
    python=$(find_python)
    "$python" -c 'import ensurepip, venv' 2>/dev/null || install_from_system "$(venv_package "$python")"
    say "Making $VENV with $("$python" --version)."
    quietly "$python" -m venv --clear "$VENV" || fail "$python cannot make a virtual environment."
}

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    fail "${PYTHON:-No python3 here} is no Python 3.11 to 3.14; install one, or name it: make PYTHON=/path/to/python3.12"
}

# Debian and Ubuntu keep venv in a package of its own, named after the version.
venv_package() { "$1" -c 'import sys; print(f"python3.{sys.version_info[1]}-venv")'; }

# Install one package of the system, as root or with a sudo that asks nothing; else say what is to be done.
install_from_system() {
    local package=$1 command as_root=""
    if command -v apt-get >/dev/null; then command="apt-get install -y --no-install-recommends $package"
    elif command -v dnf >/dev/null; then command="dnf install -y $package"
    elif command -v pacman >/dev/null; then command="pacman -S --noconfirm $package"
    elif command -v brew >/dev/null; then command="brew install $package"
    else fail "$package is missing; install it, then run make again."
    fi
    if [[ $command != brew* && $(id -u) != 0 ]]; then
        sudo -n true 2>/dev/null || fail "$package is missing; run \`sudo $command\`, then make again."
        as_root="sudo -n"
    fi
    say "Installing $package (${command%% *})."
    # shellcheck disable=SC2086  # the commands are meant to be split
    if [[ $command = apt-get* ]]; then quietly $as_root apt-get update || true; fi
    # shellcheck disable=SC2086
    quietly $as_root env DEBIAN_FRONTEND=noninteractive $command ||
        fail "$package is missing, and \`$command\` failed."
}

pip_install() {
    quietly "$VENV/bin/python" -m pip install --disable-pip-version-check --constraint "$CONSTRAINTS" "$@"
}

# Run a command without a word; when it fails, show the end of what it said.
quietly() {
    local log status=0
    log=$(mktemp)
    "$@" >"$log" 2>&1 || status=$?
    if [ "$status" != 0 ]; then tail -n 15 "$log" >&2; fi
    rm -f "$log"
    return "$status"
}

say() { echo "$*"; }

fail() {
    echo "$*" >&2
    exit 1
}

main "$@"
