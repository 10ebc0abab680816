package broker

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Two locked files keep a data folder in one hand.
//
// broker.lock is held by the switchboard process that runs the queue. The
// kernel frees it when that process ends, however it ends.
//
// redis.lock is handed to redis-server as an open file, so the kernel frees it
// when both we and the server have ended. After a kill -9 of the parent the
// server may live a moment longer (or, where no parent death signal exists, for
// ever), and two servers must never write one append-only file.
const (
	ownerLock  = "broker.lock"
	serverLock = "redis.lock"
)

// claim makes the folder if need be and takes it for this process.
func claim(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	file, free, err := tryLock(filepath.Join(dir, ownerLock))
	if err != nil {
		return nil, err
	}
	if !free {
		return nil, fmt.Errorf("%s: %w", dir, ErrInUse)
	}
	return file, nil
}

// release gives a locked file back; nil is allowed.
func release(file *os.File) {
	if file != nil {
		_ = file.Close() // closing the last descriptor frees the lock
	}
}

// claimServer waits until no redis-server of an earlier, dead owner is left.
// The caller holds broker.lock, so nobody else can be waiting. A server that
// stays is told to end, but only when it proves to be ours.
func claimServer(ctx context.Context, dir string) (*os.File, error) {
	path := filepath.Join(dir, serverLock)
	const patience = 15 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	pause := time.NewTicker(50 * time.Millisecond)
	defer pause.Stop()
	var why error
	for try := 0; ; try++ {
		file, free, err := tryLock(path)
		if err != nil || free {
			return file, err
		}
		if try%20 == 5 { // the parent death signal alone takes a few milliseconds
			why = dismiss(ctx, dir)
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("a redis-server from an earlier run still uses %s and did not end (%v): stop it by hand", dir, why)
		}
	}
}

// dismiss shuts down the redis-server that broker.json tells of. Nothing is
// killed by process ID, which another program may have by now: the order goes
// through the server's own socket, to a server that accepts our random password
// and says it was started from the config file in this very folder, under the
// noted process ID. SHUTDOWN writes the append-only file out first.
func dismiss(ctx context.Context, dir string) error {
	old, err := readHandover(dir)
	if err != nil {
		return err
	}
	client := newProbe(old.options())
	defer client.Close()
	text, err := client.Info(ctx, "server").Result()
	if err != nil {
		return err
	}
	info := make(map[string]string)
	readInfo(info, text)
	if ours := filepath.Join(dir, configFile); info["config_file"] != ours {
		return fmt.Errorf("the server at %s was started from %q, not from %q", old.Addr, info["config_file"], ours)
	}
	if noted := fmt.Sprint(old.PID); old.PID != 0 && info["process_id"] != noted {
		return fmt.Errorf("the server at %s is process %s, not %s", old.Addr, info["process_id"], noted)
	}
	return client.Shutdown(ctx).Err()
}
