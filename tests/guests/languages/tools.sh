# Sourced by the build scripts beside it: pinned tools of package registries, each fetched once.
set -eu
contract=$here/../wit
tools=${XDG_CACHE_HOME:-$HOME/.cache}/falco-talon-tests/tools

# once NAME COMMAND…: the folder of a tool. Where it is missing, the command fills the folder that it gets last.
once() {
  folder=$tools/$1
  shift
  if [ ! -d "$folder" ]; then
    mkdir -p "$tools"
    new=$(mktemp -d "$tools/new.XXXXXX")
    "$@" "$new" >&2 || { rm -rf "$new"; exit 1; }
    # Another build may have been quicker with the same tool.
    if [ -d "$folder" ]; then rm -rf "$new"; else mv "$new" "$folder"; fi
  fi
  echo "$folder"
}

# pypi PACKAGE VERSION: a folder with a package of PyPI.
pypi() {
  once "$1-$2" python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps \
    --only-binary=:all: "$1==$2" --target
}

# npm_install PACKAGE VERSION: a folder whose `node_modules` has a package of npm, and what it needs.
npm_install() {
  once "$(basename "$1")-$2" npm install --silent --no-fund --no-audit "$1@$2" --prefix
}

# npm_package PACKAGE VERSION: a folder whose `package` is a package of npm, alone.
npm_package() {
  once "$(basename "$1")-$2-alone" unpacked "$1@$2"
}

unpacked() {
  npm pack --silent --pack-destination "$2" "$1"
  tar -xzf "$2"/*.tgz -C "$2"
  rm "$2"/*.tgz
}
