/**
 * The shim: a POSIX shell script that runs `prepare` and then `main` in the attempt's folder and records how they
 * ended. It is handed to `sh -c` whole: the shell reads script files as it goes, and an upgrade that replaced the
 * file would break workers that have run for days.
 *
 * Words: the number of words of prepare, the words of prepare, the words of main.
 * Whoever creates pid.json owns the attempt, so two shims for one attempt never run both.
 * A TERM for the group reaches the worker directly; the shim only waits on.
 * What its worker put where exit.json is written, a pipe say, would keep it waiting: it goes first.
 * Of two agents that end one worker the later one's KILL may hit what records the end: that is done again then.
 * The shell reports a signal n as 128+n, and so does exit.json: exit codes above 128 are read as signals.
 */
export const shim = `
trap 'woken=1 asked=1' TERM INT HUP
asked=
count=$1
shift
if [ -r /proc/self/stat ]; then
  boot=
  [ -r /proc/sys/kernel/random/boot_id ] && read -r boot < /proc/sys/kernel/random/boot_id
  read -r line < "/proc/$$/stat"
  n=0
  for field in \${line##*) }; do
    n=$((n + 1))
    [ "$n" = 20 ] && start=$boot:$field
  done
else
  start=$(LC_ALL=C ps -o lstart= -p $$ | sed 's/ *$//')
fi
( set -C; printf '{"pid":%s,"start":"%s"}\\n' "$$" "$start" > pid.json ) 2>/dev/null || exit 0

run() {
  woken=
  "$@" &
  child=$!
  wait "$child"
  status=$?
  while [ -n "$woken" ]; do
    woken=
    wait "$child"
    next=$?
    [ "$next" = 127 ] || status=$next
  done
}

finish() {
  tries=5
  until [ -s exit.json ] || [ "$tries" = 0 ]; do
    tries=$((tries - 1))
    code=$2
    signal=null
    if [ "$2" -gt 128 ] && [ "$2" -le 192 ]; then
      name=$(kill -l "$2") || continue
      signal="\\"SIG$name\\""
      code=null
    fi
    at=$(date -u +%Y-%m-%dT%H:%M:%SZ) || continue
    rm -rf exit.json.new
    printf '{"code":%s,"signal":%s,"at":"%s","part":"%s"}\\n' "$code" "$signal" "$at" "$1" > exit.json.new &&
      mv exit.json.new exit.json
  done
  exit 0
}

words=
index=1
while [ "$index" -le "$count" ]; do
  words="$words \\"\\\${$index}\\""
  index=$((index + 1))
done
if [ "$count" -gt 0 ]; then
  eval "run $words"
  [ "$status" = 0 ] || finish prepare "$status"
  shift "$count"
fi
[ -n "$asked" ] && finish prepare 143
run "$@"
finish main "$status"
`;
