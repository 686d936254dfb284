#!/bin/sh
# Installs Wetread into $VENV, one part a call: core (reads), app (MONAI Label), dev (tests and linters), ohif, ray.
#
# Why not one `pip install`: PyPI's torch for Linux is a CUDA build, so the CPU build comes first and by itself; and
# monailabel 0.8.5 declares dependencies that cannot be met beside pydicom 3, so it goes in with --no-deps.
# A part that is complete leaves a stamp, $VENV/.installed-PART, which make compares with the pins.
set -eu

part=$1
: "${VENV:=.venv}" "${PYTHON:=}" "${TORCH_INDEX:=}"
TORCH_VERSION=2.13.0
MONAILABEL_VERSION=0.8.5

# Packages that come as source are built in a place of their own, which only this variable pins.
PIP_BUILD_CONSTRAINT=constraints.txt
PIP_DISABLE_PIP_VERSION_CHECK=1
export PIP_BUILD_CONSTRAINT PIP_DISABLE_PIP_VERSION_CHECK

usable() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' >/dev/null 2>&1
}

find_python() {
    without_venv=
    for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3 python}; do
        if usable "$candidate"; then
            if "$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1; then
                command -v "$candidate"
                return
            fi
            without_venv=$candidate
        fi
    done
    if [ -n "$without_venv" ]; then
        echo "wetread: $without_venv has no venv module; on Debian and Ubuntu: apt-get install $without_venv-venv" >&2
    else
        echo "wetread: no Python 3.11, 3.12 or 3.13 found on the PATH (${PYTHON:-python3.11, python3.12, python3.13," \
            "python3, python} tried); install one, or name it: make PYTHON=/path/to/python3.11 ..." >&2
    fi
    exit 1
}

make_venv() {
    if [ -d "$VENV" ] && ! usable "$VENV/bin/python"; then
        echo "wetread: $VENV holds no working Python 3.11-3.13; remove it (make clean) and try again." >&2
        exit 1
    fi
    if [ ! -d "$VENV" ]; then
        python=$(find_python)
        echo "wetread: making $VENV with $("$python" --version) ($python)"
        "$python" -m venv "$VENV"
    fi
    "$VENV/bin/python" -m pip install -qq -U -c constraints.txt pip
}

# Quiet unless something goes wrong; every version from the pins.
pip_install() {
    "$VENV/bin/python" -m pip install -qq --progress-bar off --retries 2 --timeout 60 -c constraints.txt "$@"
}

say() {
    echo "wetread: installing $1 ..."
}

install_torch() {
    if [ "$("$VENV/bin/python" -m pip show torch 2>/dev/null | sed -n 's/^Version: \([0-9.]*\).*/\1/p')" = "$TORCH_VERSION" ]; then
        return
    fi
    if [ -n "$TORCH_INDEX" ] && [ "$(uname -s)" = Linux ]; then
        say "PyTorch $TORCH_VERSION for the CPU (about a minute, 0.8 GB)"
        # Only torch itself may come from there; what it needs comes with the rest, from the usual place.
        if pip_install --no-deps --extra-index-url "$TORCH_INDEX" "torch==$TORCH_VERSION+cpu"; then
            return
        fi
        echo "wetread: no CPU build of PyTorch at $TORCH_INDEX; taking what pip finds (may be CUDA, about 3 GB)."
    else
        say "PyTorch $TORCH_VERSION (about a minute)"
    fi
    pip_install "torch==$TORCH_VERSION"
}

started=$(date +%s)
case $part in
core)
    make_venv
    install_torch
    say "Wetread and what a read needs (about a minute, 0.5 GB)"
    pip_install -e .
    ;;
app)
    say "MONAI Label $MONAILABEL_VERSION and ITK (about two minutes, 1.8 GB)"
    pip_install -e '.[app]'
    pip_install --no-deps "monailabel==$MONAILABEL_VERSION"
    pip_install --no-deps ./monailabel_app/compat
    ;;
dev)
    say "what training, the tests and the linters need (under a minute, 0.9 GB)"
    pip_install -e '.[app,dev,ecg,postgresql,train]'
    ;;
ohif)
    say "Playwright (a few seconds, 0.1 GB)"
    pip_install playwright
    ;;
ray)
    # Beside the rest and on top of it: what Ray brings (uvloop, httptools) would change how the service's tests run.
    say "Ray (under a minute, 0.3 GB)"
    "$VENV/bin/python" -m venv --without-pip "$VENV/ray"
    site='import sysconfig; print(sysconfig.get_path("purelib"))'
    echo "import site; site.addsitedir('$("$VENV/bin/python" -c "$site")')" > "$("$VENV/ray/bin/python" -c "$site")/beside.pth"
    "$VENV/bin/python" -m pip --python "$VENV/ray/bin/python" install -qq --progress-bar off -c constraints.txt 'ray[serve]'
    ;;
*)
    echo "usage: scripts/install.sh core|app|dev|ohif|ray" >&2
    exit 2
    ;;
esac
date -u +%FT%TZ > "$VENV/.installed-$part"
echo "wetread: $part installed in $(($(date +%s) - started)) s"
