# shellcheck shell=bash disable=SC2154
# Brings what a suite needs: each `prepare_…` leaves it ready, or says why not through `skip` or `fail`.
# Sourced by tests/run.

cache=${COUNTERSIGN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/countersign}
unfinished=
packages_are_listed=

# prepare_tool NAME VERSION: the subcommand `cargo NAME`.
prepare_tool() {
  local here
  here=$(cargo "$1" --version 2>/dev/null | awk 'NR == 1 { print $2 }')
  if [[ ${here%.*} == "${2%.*}" ]]; then return; fi
  prepare "cargo-$1" "$(digest <<<"$2 $(uname -m)")" build_tool "$1" "$2" || return
  PATH=$prepared/bin:$PATH
}

build_tool() {
  # It runs for seconds: compiling it fast is worth more than a fast result. What the default features add (updating
  # itself, tracing probes) is of no use here.
  (cd / && CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
    cargo install --locked --no-default-features --version "$2" --root "$3" --target-dir "$3/target" "cargo-$1") &&
    rm -rf "$3/target"
}

# prepare_s3s VERSION: an S3 server in Rust, over a folder, that checks signatures with code of its own.
prepare_s3s() {
  prepare s3s "$(digest <<<"$1 $(uname -m)")" build_s3s "$1" || return
  export COUNTERSIGN_S3S=$prepared/bin/s3s-fs
}

build_s3s() {
  (cd / && CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
    cargo install --locked --features binary --version "$1" --root "$2" --target-dir "$2/target" s3s-fs) &&
    rm -rf "$2/target"
}

# prepare_python ENVIRONMENT: a virtual environment from tests/peers/python/ENVIRONMENT/requirements.txt, which
# `uv pip compile --universal --python-version 3.11 --generate-hashes --no-header` makes from the .in file beside it.
prepare_python() {
  find_python || return
  local lock=$PWD/tests/peers/python/$1/requirements.txt
  local made_of
  made_of=$("$python" -c 'import platform, sys; print(sys.version, sys.base_prefix, platform.machine())')
  prepare "python-$1" "$(digest "$lock" - <<<"$made_of")" build_python "$lock" || return
  export "COUNTERSIGN_PYTHON_${1^^}=$prepared"
}

build_python() {
  "$python" -m venv "$2" &&
    "$2/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r "$1" &&
    # Scripts begin with the folder's name of now; `python -m` works wherever it goes.
    find "$2/bin" -type f -delete
}

find_python() {
  local candidate
  for candidate in python3 /usr/bin/python3; do
    if makes_environments "$candidate"; then
      python=$candidate
      return
    fi
  done
  install_packages python3 python3-venv || return
  python=/usr/bin/python3
  makes_environments "$python" || skip "Python 3.11 or later with venv is needed; Debian's is older here"
}

makes_environments() {
  "$1" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

# The packages of tests/peers/npm. Node.js is among them as each platform's own package: the package `node` would
# fetch that in an install script, past the lock file.
prepare_npm() {
  local from=$PWD/tests/peers/npm
  prepare npm "$(digest "$from/package.json" "$from/package-lock.json" - < <(uname -sm))" build_npm "$from" || return
  export COUNTERSIGN_NPM=$prepared COUNTERSIGN_NODE=$prepared/node_modules/.bin/node
  "$COUNTERSIGN_NODE" --version >/dev/null || skip "npm has no Node.js for $(uname -sm) in tests/peers/npm"
}

build_npm() {
  if ! command -v npm >/dev/null; then install_packages npm || return; fi
  mkdir -p "$2" && cp "$1"/package*.json "$2" &&
    (cd "$2" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
}

prepare_chromium() {
  if [[ -n ${COUNTERSIGN_CHROMIUM-} ]]; then return; fi
  if ! command -v chromium >/dev/null; then install_packages chromium || return; fi
  COUNTERSIGN_CHROMIUM=$(command -v chromium)
  export COUNTERSIGN_CHROMIUM
}

prepare_redis() {
  if [[ -n ${COUNTERSIGN_REDIS_SERVER-} ]]; then return; fi
  if ! command -v redis-server >/dev/null; then install_packages redis-server || return; fi
  COUNTERSIGN_REDIS_SERVER=$(command -v redis-server)
  export COUNTERSIGN_REDIS_SERVER
}

# install_packages NAME…: Debian packages, where this user may install some.
install_packages() {
  local by_hand="install the Debian packages $* (or what they are called here) by hand" as=()
  if [[ $may_install == no ]]; then
    skip "$* missing, and --quick installs nothing: $by_hand"
    return
  fi
  if ! command -v apt-get >/dev/null; then
    skip "$* missing, and there is no apt-get: $by_hand"
    return
  fi
  if ((EUID)); then
    if ! sudo -n true 2>/dev/null; then
      skip "$* missing, and neither root nor sudo without a password: $by_hand"
      return
    fi
    as=(sudo -n)
  fi
  printf 'installing the Debian packages %s\n' "$*"
  if [[ -z $packages_are_listed ]]; then
    "${as[@]}" apt-get update -qq && packages_are_listed=yes
  fi
  "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "$@" ||
    fail "apt-get could not install $*: its lines above say why"
}

# prepare NAME KEY BUILD [ARGUMENT…]: sets $prepared to a folder that `BUILD ARGUMENT… FOLDER` filled, now or earlier.
# It has its name only once it is whole, so an interrupted build is never taken for a finished one.
prepare() {
  local name=$1 started=$SECONDS
  prepared=$cache/prepared/$1-$2
  shift 2
  if [[ -d $prepared ]]; then
    touch "$prepared"
    return
  fi
  if [[ $may_install == no ]]; then
    skip "$name is not prepared, and --quick installs nothing: run ./tests/run --only $suite once"
    return
  fi
  printf 'preparing %s in %s\n' "$name" "$prepared"
  unfinished=$prepared.unfinished.$$
  local outcomes_before=$((failed + skipped))
  if ! mkdir -p "$cache/prepared" || ! "$@" "$unfinished"; then
    discard_unfinished
    # The build may have said already what it lacks.
    if ((failed + skipped == outcomes_before)); then fail "$name could not be prepared: the lines above say why"; fi
    return 1
  fi
  # Another run may have been faster; then its folder is as good.
  mv -T "$unfinished" "$prepared" 2>/dev/null || [[ -d $prepared ]] || fail "$prepared cannot be written"
  discard_unfinished
  printf 'prepared %s in %d s\n' "$name" $((SECONDS - started))
  discard_old
}

digest() {
  cat -- "$@" | sha256sum | cut -c1-16
}

discard_unfinished() {
  if [[ -n $unfinished ]]; then rm -rf "$unfinished"; fi
  unfinished=
}

# What nobody used for a month, and what an interrupted run left.
discard_old() {
  find "$cache/prepared" -mindepth 1 -maxdepth 1 \
    \( -mtime +30 -o -name '*.unfinished.*' -mmin +240 \) -exec rm -rf {} +
}
