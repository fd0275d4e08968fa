/**
 * The first process of a container: a POSIX shell script that writes the worker's output to files, hands TERM on
 * (the kernel keeps a first process from signals it has no handler for) and ends as the worker did. Output goes
 * to files and not through the container engine: nobody has to read along. Words: the words of main.
 */
export const containerInit = `
exec >> stdout.log 2>> stderr.log
child=
trap 'woken=1; [ -n "$child" ] && kill -TERM "$child"' TERM INT
"$@" &
child=$!
woken=
wait "$child"
status=$?
while [ -n "$woken" ]; do
  woken=
  wait "$child"
  next=$?
  [ "$next" = 127 ] || status=$next
done
exit "$status"
`;
