package pgtest

import (
	"os"
	"os/exec"
)

// cleanUp waits until its standard input closes, which happens when this
// process ends in whatever way, then stops the server and deletes its folder.
// The parent death signal alone would leave the folder behind.
const cleanUp = `trap '' INT TERM HUP QUIT
read -r _
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ]; then
	kill -QUIT "$pid" 2>/dev/null
	tries=0
	while kill -0 "$pid" 2>/dev/null && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries+1)); done
fi
rm -rf -- "$1"`

// watch starts the shell that cleans up after us. Its output goes nowhere:
// holding ours open would keep `go test` waiting. The returned function ends it
// when there is nothing left to clean.
func watch(dir string) (unwatch func(), err error) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		return nil, err
	}
	read, write, err := os.Pipe() // closed on exec: no other child keeps it open
	if err != nil {
		return nil, err
	}
	defer read.Close()
	cmd := exec.Command(sh, "-c", cleanUp, "sh", dir)
	cmd.Dir, cmd.Stdin = "/", read
	if err := cmd.Start(); err != nil {
		write.Close()
		return nil, err
	}
	return func() {
		write.Close()
		_ = cmd.Wait() // the folder is gone already; its status tells nothing
	}, nil
}
