# Shared by the scripts beside it: build a tool once, start it on a free port of 127.0.0.1, say when it is ready.
# Each script prints one line `READY name=value … pid=N`, ends on SIGTERM, and with `-watch-stdin` when its input ends.
set -euo pipefail
# With `-build-only` it stops once the tool is built.
parts=${TEST_PARTS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/test-parts}
mkdir -p "$parts/bin"

# go_tool FILE PACKAGE@VERSION: the path of the built program; one build at a time, without cgo.
go_tool() {
  local want=$parts/bin/${1}-${2##*@}
  if [ ! -x "$want" ]; then
    exec 8>"$parts/lock"; flock 8
    if [ ! -x "$want" ]; then
      local to; to=$(mktemp -d "$parts/go.XXXXXX")
      GOBIN=$to CGO_ENABLED=0 GOFLAGS="-trimpath ${GOFLAGS:-}" nice -n 10 go install -ldflags='-s -w' "$2" >&2
      mv "$to"/* "$want"; rmdir "$to"
    fi
    exec 8>&-
  fi
  echo "$want"
}

free_port() { python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])'; }

# wait_http URL [curl arguments]: until it answers 2xx, 20 s at most, or the child has died.
wait_http() {
  local url=$1; shift
  for _ in $(seq 1000); do
    curl -fs -o /dev/null --max-time 2 "$@" "$url" && return
    kill -0 "$child" 2>/dev/null || { cat "$dir/log" >&2; exit 1; }
    sleep 0.02
  done
  echo "$url did not answer" >&2; exit 1
}

# wait_line PATTERN: until the log has it.
wait_line() { # 60 s at most
  for _ in $(seq 3000); do
    grep -qE -- "$1" "$dir/log" && return
    kill -0 "$child" 2>/dev/null || { cat "$dir/log" >&2; exit 1; }
    sleep 0.02
  done
  cat "$dir/log" >&2; exit 1
}

# begin: a folder of its own in $dir, removed at the end.
watch= build_only=
case ${1:-} in
  -watch-stdin) watch=1; shift ;;
  -build-only) build_only=1; shift ;;
esac
begin() {
  dir=$(mktemp -d); child=
  trap 'trap - EXIT TERM INT; [ -n "${child:-}" ] && kill $child 2>/dev/null; wait 2>/dev/null; rm -rf "$dir"' EXIT
  trap 'exit 0' TERM INT
}
# run COMMAND…: start it in the background, its output in $dir/log.
run() { [ -z "$build_only" ] || exit 0; "$@" >"$dir/log" 2>&1 </dev/null & child=$!; }
# ready NAME=VALUE…: say so, and stay until told to end.
ready() {
  echo "READY $* pid=$child dir=$dir"
  if [ -n "$watch" ]; then while read -r _; do :; done; else wait "$child"; fi
}
# certificate: $dir/ca.pem, $dir/cert.pem and $dir/key.pem for localhost and 127.0.0.1.
certificate() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test-ca \
    -keyout "$dir/ca.key" -out "$dir/ca.pem" 2>/dev/null
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
    -keyout "$dir/key.pem" -out "$dir/cert.csr" 2>/dev/null
  openssl x509 -req -in "$dir/cert.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -CAcreateserial -days 2 -out "$dir/cert.pem" \
    -extfile <(echo 'subjectAltName=DNS:localhost,IP:127.0.0.1') 2>/dev/null
}
